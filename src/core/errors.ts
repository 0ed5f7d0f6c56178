// The one error of the domain. `core` knows codes; `http/errors.ts` maps them to each face's status and body.

export type ErrorCode =
  | 'invalid' // the request is wrong; the message names the field and what to do
  | 'no_graph' // the thread has none that could be asked
  | 'too_large' // more bytes, or more files, than are taken
  | 'malformed' // the request makes no sense at all, whatever its fields are
  | 'unauthenticated' // nobody known asks
  | 'forbidden' // who asks may not
  | 'not_found'
  | 'gone' // it existed and was deleted
  | 'conflict' // the state of the thread or run forbids it
  | 'busy' // too much waits already; try again in a moment
  | 'unsupported' // served nowhere or not here
  | 'unavailable' // try again later

export class RunloomError extends Error {
  override name = 'RunloomError'
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
  }

  /** By name, so that an error that crossed the database thread is still one. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'RunloomError'
  }
}
