// What the API suites share.
import { setTimeout as sleep } from 'node:timers/promises'

export interface Seen {
  id?: string | undefined
  event: string
  data: unknown
}

/** All parts of a stream. */
export async function collect(stream: AsyncIterable<Seen>): Promise<Seen[]> {
  return Array.fromAsync(stream)
}

/** Waits for the first part of a stream; the answer resolves with all of them. */
export async function follow(stream: AsyncIterable<Seen>): Promise<{ ended: Promise<Seen[]> }> {
  const parts = stream[Symbol.asyncIterator]()
  const first = await parts.next()
  const rest = async () => [first.value as Seen, ...(await collect({ [Symbol.asyncIterator]: () => parts }))]
  return { ended: rest() }
}

/** Input that says something. */
export function say(content: string) {
  return { messages: [{ role: 'user', content }] }
}

/** The content of the last message in some values. */
export function textOf(values: unknown): string | undefined {
  return (values as { messages?: { content: string }[] } | undefined)?.messages?.at(-1)?.content
}

/** Repeats an assertion until it holds, and gives what it gave; its last failure is the error. */
export async function eventually<T>(assertion: () => Promise<T>, within_ms = 60_000): Promise<T> {
  const deadline = Date.now() + within_ms
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(20)
    }
  }
}

/** A matcher for `assert.rejects`: an HTTP error of the SDK with this status, and text. */
export function status(code: number, text = /./): (error: unknown) => boolean {
  return error => {
    const { status, message } = error as { status?: number; message: string }
    if (status === code && text.test(message)) return true
    throw new Error(`expected HTTP ${code} with ${text}, got ${status}: ${message}`)
  }
}
