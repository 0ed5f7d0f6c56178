// A client that costs little, since it shares the cores with the server: plain HTTP, and frames are counted, not parsed.
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

const agent = new Agent({ keepAlive: true })
const TOKEN = 'event: messages'
/** Without it other servers show who joins a stream nothing of what has been; ours shows all. */
const FROM_THE_START = { 'last-event-id': '-1' }

export interface Streamed {
  /** Milliseconds from the request to the first token, and to the end. */
  first_ms: number
  total_ms: number
  tokens: number
}

export async function call(url: string, body?: unknown): Promise<string> {
  return text(await send(url, body))
}

/** Reads a stream to its end. `onFirst` hears of the first token. */
export async function readStream(
  url: string,
  body?: unknown,
  onFirst?: (close: () => void) => void,
): Promise<Streamed> {
  const started = performance.now()
  const response = await send(url, body)
  const seen = { first_ms: Number.NaN, total_ms: 0, tokens: 0 }
  let rest = ''
  try {
    for await (const chunk of response) {
      const piece = rest + (chunk as Buffer).toString('latin1')
      for (let at = piece.indexOf(TOKEN); at >= 0; at = piece.indexOf(TOKEN, at + TOKEN.length)) seen.tokens++
      if (piece.includes('event: error')) throw new Error(`the stream of ${url} failed: ${piece.slice(0, 400)}`)
      if (seen.tokens > 0 && Number.isNaN(seen.first_ms)) {
        seen.first_ms = performance.now() - started
        onFirst?.(() => response.destroy())
      }
      rest = piece.slice(1 - TOKEN.length)
    }
  } catch (error) {
    if (!onFirst || !response.destroyed) throw error
  }
  seen.total_ms = performance.now() - started
  return seen
}

function send(url: string, body: unknown): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const headers = payload
    ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    : FROM_THE_START
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const asked = request(url, { agent, method: payload ? 'POST' : 'GET', headers }, async response => {
    const { statusCode = 0 } = response
    if (statusCode < 300) return resolve(response)
    reject(new Error(`${statusCode} from ${url}: ${await text(response)}`))
  })
  asked.on('error', (error: NodeJS.ErrnoException) => {
    // The server closed an idle connection just as it was taken again, which says nothing about the server.
    if (asked.reusedSocket && error.code === 'ECONNRESET') send(url, body).then(resolve, reject)
    else reject(error)
  })
  asked.end(payload)
  return promise
}
