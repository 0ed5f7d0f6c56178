// What can go wrong with a call of the workflow runs client: it was not sent, the server refused it, no answer came, or a
// stream was not what it must be.

/** The arguments were wrong; no request was made. `field` names the one. */
export class ValidationError extends Error {
  override readonly name = 'ValidationError'
  readonly field: string

  constructor(field: string, says: string) {
    super(`${field}: ${says}`)
    this.field = field
  }
}

/** What the server found in a spec: a code, and where (`$.nodes[0].id`). */
export interface SpecIssue {
  code: string
  path: string
  message: string
}

/** The server answered with an error (contracts: workflows §1). */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** The HTTP status. */
  readonly status: number
  /** `NOT_FOUND`, `CONFLICT` and so on; `HTTP_<status>` where the answer names none. */
  readonly code: string
  readonly requestId: string | undefined
  /** Everything that is wrong with a spec; empty for other errors. */
  readonly issues: SpecIssue[]
  /** The fields of a request that were refused. */
  readonly fields: { field: string; message: string }[]
  /** How long the server asks to wait (`Retry-After`), where it does. */
  retryAfterMs?: number

  constructor(status: number, requestId: string | undefined, body: string) {
    const said = errorOf(body)
    super(said.message ?? `the server answered with status ${status}`)
    this.status = status
    this.code = said.code ?? `HTTP_${status}`
    this.requestId = requestId ?? said.request_id
    this.issues = said.issues
    this.fields = said.fields
  }
}

/** `timeout`: no answer in time. `connection`: it failed or broke. `response`: a success that is none of this API's. */
export type TransportErrorKind = 'timeout' | 'connection' | 'response'

export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly kind: TransportErrorKind
  /** How many times the request was sent again before this was given up. */
  retries = 0

  constructor(kind: TransportErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** The event stream had something in it that is no event. */
export class StreamProtocolError extends Error {
  override readonly name = 'StreamProtocolError'
  /** The line as it came; what is no UTF-8 in it is replaced. Undefined where the content type was wrong. */
  readonly rawLine: string | undefined

  constructor(message: string, rawLine?: string) {
    super(message)
    this.rawLine = rawLine
  }
}

/** An error's body: flat, nested in `error`, a text, or nothing. */
function errorOf(body: string) {
  const whole = objectOf(body)
  const inner = typeof whole?.error === 'object' ? (whole.error as Record<string, unknown> | null) : whole
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  return {
    code: text(inner?.code) ?? text(whole?.error),
    message: text(inner?.message) ?? (whole ? undefined : text(body.trim().slice(0, 1_000))),
    request_id: text(whole?.request_id),
    issues: listOf<SpecIssue>(whole?.issues),
    fields: listOf<{ field: string; message: string }>(inner?.fields),
  }
}

function objectOf(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function listOf<T>(value: unknown): T[] {
  return Array.isArray(value) ? value : []
}
