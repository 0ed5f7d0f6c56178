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
  headers?: Record<string, string>
  /** Called once if the client goes before the response is complete. */
  onGone: () => void
}

/**
 * Frames as server-sent events; those of one batch leave in one write. `: heartbeat` comments fill silences: a line alone,
 * because the SDK takes an empty line for an event of its own once it has seen an id.
 */
export function sse(frames: AsyncGenerator<Frame[]>, { heartbeat_ms, headers, onGone }: StayOpen): Response {
  const texts = (async function* () {
    for await (const batch of frames) yield batch.map(frameText).join('')
  })()
  const stream = keptAlive(texts, ': heartbeat\n', heartbeat_ms, onGone)
  return new Response(stream, { headers: { ...STREAM_HEADERS, ...headers } })
}

/** A JSON text that is not ready yet; newlines fill the wait, which every JSON parser skips. */
export function eventualJson(text: Promise<string>, { heartbeat_ms, headers, onGone }: StayOpen): Response {
  const texts = (async function* () {
    yield await text
  })()
  const stream = keptAlive(texts, '\n', heartbeat_ms, onGone)
  return new Response(stream, { headers: { 'content-type': 'application/json', ...headers } })
}

function frameText({ event, data, id }: Frame): string {
  const name = event.replace(/[\r\n]/g, '')
  return id === undefined ? `event: ${name}\ndata: ${data}\n\n` : `event: ${name}\ndata: ${data}\nid: ${id}\n\n`
}

function keptAlive(
  texts: AsyncGenerator<string>,
  filler: string,
  heartbeat_ms: number,
  onGone: () => void,
): ReadableStream<Uint8Array> {
  let timer: NodeJS.Timeout
  const fill = encoder.encode(filler)
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        timer = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(fill) // a slow client has enough to read
        }, heartbeat_ms)
      },
      async pull(controller) {
        try {
          const { value, done } = await texts.next()
          timer.refresh()
          if (!done) return controller.enqueue(encoder.encode(value))
          clearInterval(timer)
          controller.close()
        } catch (error) {
          clearInterval(timer)
          controller.error(error)
        }
      },
      cancel() {
        clearInterval(timer)
        onGone()
        texts.return(undefined).catch(() => {}) // its `finally` lets go of the log
      },
    },
    { highWaterMark: 1 },
  )
}
