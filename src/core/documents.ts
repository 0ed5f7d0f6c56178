// Documents as Markdown, each converted in a thread of its own, which is ended when it takes too long or too much: what a
// document does to its converter hurts nobody else.
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from './logger.ts'
import { extensionOf } from './virtual-paths.ts'

const CONVERTED = ['pdf', 'doc', 'docx', 'xls', 'xlsx', 'ppt', 'pptx', 'html', 'htm']

const AT_ONCE = 2
const HEAP_MB = 512
/** Buffers are not in the heap. */
const EXTERNAL_BYTES = 1024 ** 3
const LOOK_MS = 200

/** What the thread is told, and what it answers. */
export interface DocumentRequest {
  path: string
}
export type DocumentReply = { markdown: string } | { problem: string }

export class Documents {
  readonly #timeout_ms: number
  readonly #logger: Logger
  readonly #running = new Set<Promise<unknown>>()
  readonly #closing = new AbortController()

  /** `timeout_ms` includes waiting for one's turn. */
  constructor({ timeout_ms, logger }: { timeout_ms: number; logger: Logger }) {
    this.#timeout_ms = timeout_ms
    this.#logger = logger
  }

  /** Undefined where the name is not that of a document, or it could not be converted: the log says why. */
  async toMarkdown(path: string, filename: string): Promise<string | undefined> {
    if (!CONVERTED.includes(extensionOf(filename))) return undefined
    const late = AbortSignal.timeout(this.#timeout_ms)
    const signal = AbortSignal.any([late, this.#closing.signal])
    try {
      while (this.#running.size >= AT_ONCE && !signal.aborted) await Promise.race([...this.#running, aborted(signal)])
      signal.throwIfAborted()
      const converting = converted({ path }, signal)
      const settled: Promise<unknown> = converting.then(nothing, nothing).then(() => this.#running.delete(settled))
      this.#running.add(settled)
      return await converting
    } catch (error) {
      const reason = late.aborted ? `it took longer than ${this.#timeout_ms} ms` : (error as Error).message
      this.#logger('warn', 'a document was not converted to Markdown', { filename, reason })
      return undefined
    }
  }

  /** Breaks off what is being converted. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#running)
  }
}

async function converted(request: DocumentRequest, signal: AbortSignal): Promise<string> {
  const here = import.meta.url
  const worker = new Worker(new URL(`./document-thread${extname(here)}`, here), {
    workerData: request,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    env: {},
    stdout: true,
    stderr: true,
  })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  worker.once('message', (reply: DocumentReply) => {
    if ('markdown' in reply) resolve(reply.markdown)
    else reject(new Error(reply.problem))
  })
  worker.once('error', reject)
  worker.once('exit', () => reject(new Error('its converter ended')))
  const stop = () => reject(signal.reason)
  signal.addEventListener('abort', stop)
  const looking = setInterval(async () => {
    const used = await worker.getHeapStatistics().catch(() => undefined)
    if (used && used.external_memory > EXTERNAL_BYTES) reject(new Error('it takes too much memory'))
  }, LOOK_MS)
  try {
    return await promise
  } finally {
    clearInterval(looking)
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function nothing(): void {}
