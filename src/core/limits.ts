// How large things may be, in bytes of JSON (UTF-8). The configuration sets it.
import { RunloomError } from './errors.ts'

export interface SizeLimits {
  /** What one run is given: its input, and each of its other options. */
  max_input_bytes: number
  /** One event of a run, after references to what is stored already. */
  max_event_bytes: number
  /** The values of a thread. */
  max_state_bytes: number
}

/** Throws `invalid` when a text is larger than allowed. `what` begins the message and names the field. */
export function refuseLarge(what: string, text: string, most: number): void {
  if (text.length > most / 3) refuseSize(what, Buffer.byteLength(text), most)
}

export function refuseSize(what: string, bytes: number, most: number): void {
  if (bytes > most)
    throw new RunloomError(
      'invalid',
      `${what} ${bytes} bytes of JSON; at most ${most} are allowed here (RUNLOOM_MAX_…_BYTES)`,
    )
}

const SIZED = ['input', 'command', 'config', 'context', 'metadata'] as const

/** Throws `invalid` when a request gives a run too much. `chars`: of the request, which are rarely enough to look closer. */
export function refuseLargeInput(
  request: { [field in (typeof SIZED)[number]]?: unknown },
  chars: number,
  { max_input_bytes }: Pick<SizeLimits, 'max_input_bytes'>,
): void {
  if (chars <= max_input_bytes / 3) return
  for (const field of SIZED) refuseLarge(`${field}:`, JSON.stringify(request[field]) ?? '', max_input_bytes)
}
