// Responses that stay open: server-sent events, and JSON that is long in coming. Both send something every few seconds,
// so that proxies keep them and clients notice a dead socket; both end when the client goes.
import type { Frame } from '../graph/projection.ts'

const encoder = new TextEncoder()

const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

export interface StayOpen {
  heartbeat_ms: number
  /** Where access may end before the response does. */
  recheck?: { every_ms: number; mayStay: () => Promise<boolean> }
  headers?: Record<string, string>
  /** Called once if the client goes before the response is complete. */
  onGone: () => void
}

/**
 * Frames as server-sent events; those of one batch leave in one write. `: heartbeat` comments fill silences: a line alone,
 * because the SDK takes an empty line for an event of its own once it has seen an id.
 */
export function sse(frames: AsyncGenerator<Frame[]>, { headers, ...open }: StayOpen): Response {
  const next = async () => {
    const { value, done } = await frames.next()
    return done ? undefined : value.map(frameText).join('')
  }
  const texts = { next, return: () => frames.return(undefined) }
  const stream = keptAlive(texts, ': heartbeat\n', open)
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } })
}

/**
 * Lines of JSON, those of one batch in one write; empty lines fill silences. While more may come (`live`) it begins with one,
 * so that the headers leave at once.
 */
export function ndjson(
  batches: AsyncGenerator<{ json: string }[]>,
  { headers, live, ...open }: StayOpen & { live: boolean },
): Response {
  let first = live
  const next = async () => {
    if (first) {
      first = false
      return '\n'
    }
    const { value, done } = await batches.next()
    return done ? undefined : value.map(line => `${line.json}\n`).join('')
  }
  const stream = keptAlive({ next, return: () => batches.return(undefined) }, '\n', open)
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers, 'content-type': 'application/x-ndjson' } })
}

/** A JSON text that is not ready yet; newlines fill the wait, which every JSON parser skips. */
export function eventualJson(text: Promise<string>, { headers, ...open }: StayOpen): Response {
  let rest: Promise<string> | undefined = text
  const next = () => {
    const first = rest
    rest = undefined
    return first ?? Promise.resolve(undefined)
  }
  const stream = keptAlive({ next, return: () => Promise.resolve() }, '\n', open)
  return new Response(stream, { headers: { 'content-type': 'application/json', ...headers } })
}

function frameText({ event, data, id }: Frame): string {
  const name = event.replace(/[\r\n]/g, '')
  return id === undefined ? `event: ${name}\ndata: ${data}\n\n` : `event: ${name}\ndata: ${data}\nid: ${id}\n\n`
}

/** What a response is made of: texts, then undefined. */
interface Texts {
  next: () => Promise<string | undefined>
  /** Lets go of where the texts come from. */
  return: () => Promise<unknown>
}

function keptAlive(
  texts: Texts,
  filler: string,
  { heartbeat_ms, recheck, onGone }: Omit<StayOpen, 'headers'>,
): ReadableStream<Uint8Array> {
  let beating: NodeJS.Timeout
  let checking: NodeJS.Timeout | undefined
  const fill = encoder.encode(filler)
  const still = () => {
    clearInterval(beating)
    clearInterval(checking)
    checking = undefined
  }
  const leave = () => {
    still()
    onGone()
    texts.return().catch(() => {}) // the generator's `finally` lets go of the log
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // Neither may keep a process that embeds the server, for a response that nobody reads.
        beating = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(fill) // a slow client has enough to read
        }, heartbeat_ms).unref()
        if (!recheck) return
        checking = setInterval(async () => {
          if ((await recheck.mayStay()) || !checking) return
          leave()
          controller.error(new Error('who reads this may not any more'))
        }, recheck.every_ms).unref()
      },
      async pull(controller) {
        try {
          const text = await texts.next()
          beating.refresh()
          if (text !== undefined) return controller.enqueue(encoder.encode(text))
          still()
          controller.close()
        } catch (error) {
          still()
          controller.error(error)
        }
      },
      cancel: leave,
    },
    { highWaterMark: 1 },
  )
}
