// Clients that do not give up: calls that are repeated until somebody answers, and readers that follow a run by its
// cursor, come back after each loss, and keep every frame as it came.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import type { Cluster } from './cluster.ts'

export interface Answer {
  status: number
  text: string
  headers: Headers
}

export interface Request {
  method?: string
  body?: unknown
  /** Makes a POST repeatable. */
  key?: string
}

/** How long a single attempt may take: a frozen server answers nobody. */
const ATTEMPT_MS = 8_000

/** Asks some member, and again after a lost connection or a 5xx. For requests that may be repeated. */
export async function ask(cluster: Cluster, random: Random, path: string, request: Request = {}): Promise<Answer> {
  for (;;) {
    const url = await cluster.url(random)
    try {
      const signal = AbortSignal.timeout(ATTEMPT_MS)
      const response = await fetch(`${url}${path}`, { ...init(request), signal })
      const text = await response.text()
      if (response.status < 500) return { status: response.status, text, headers: response.headers }
    } catch {
      // Lost: somebody else, or the same one in its next life.
    }
    await sleep(30)
  }
}

/** The JSON of an answer that has to be a success. */
export async function get<T>(cluster: Cluster, random: Random, path: string, request: Request = {}): Promise<T> {
  const { status, text } = await ask(cluster, random, path, request)
  if (status >= 400) throw new Error(`${request.method ?? 'GET'} ${path} answered ${status}: ${text}`)
  return JSON.parse(text || 'null') as T
}

function init({ method, body, key }: Request): RequestInit {
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }
}

/** A frame as it came over the wire. */
export interface Frame {
  id: number | undefined
  event: string
  data: string
}

/**
 * How a reader behaves: `steady` reads all it gets; `slow` pauses after each piece; `restless` leaves after every few
 * frames; `absent` leaves once, early, and comes back when the run may long be over.
 */
export type Temper = 'steady' | 'slow' | 'restless' | 'absent'

export interface Followed {
  /** `/threads/…/runs/…`. */
  path: string
  modes: string[]
  frames: Frame[]
  /** Times that the connection was lost or left. */
  losses: number
  /** Why what was read cannot be right. */
  complaint?: string
}

/**
 * Follows a run to its end. `open` is the first request, repeated until it is answered; after it the run is known and
 * is joined by its cursor.
 */
export class Reader implements Followed {
  path = ''
  readonly modes: string[]
  readonly frames: Frame[] = []
  losses = 0
  complaint?: string
  readonly #cluster: Cluster
  readonly #random: Random
  readonly #temper: Temper

  constructor(cluster: Cluster, random: Random, modes: string[], temper: Temper) {
    this.#cluster = cluster
    this.#random = random
    this.modes = modes
    this.#temper = temper
  }

  get run_id(): string {
    return this.path.split('/').at(-1) as string
  }

  /** Creates the run by a streaming request and reads it to the end. */
  async create(path: string, body: Record<string, unknown>, key: string): Promise<void> {
    await this.#read(() => ({ path: `${path}/stream`, request: { body: { ...body, stream_mode: this.modes }, key } }))
  }

  /** Reads a run that exists. */
  async join(path: string): Promise<void> {
    this.path = path
    await this.#read(() => undefined)
  }

  async #read(first: () => { path: string; request: Request } | undefined) {
    for (;;) {
      const opening = this.path ? undefined : first()
      const ended = await this.#connect(opening)
      if (ended) return
      this.losses++
      await sleep(this.#temper === 'absent' && this.losses === 1 ? 1_500 : 15)
    }
  }

  /** One connection; true when the stream came to its end. */
  async #connect(opening: { path: string; request: Request } | undefined): Promise<boolean> {
    const url = await this.#cluster.url(this.#random)
    const leaving = new AbortController()
    try {
      const cursor = this.frames.at(-1)?.id
      const modes = this.modes.map(mode => `stream_mode=${mode}`).join('&')
      const request: RequestInit = opening
        ? init(opening.request)
        : { headers: cursor === undefined ? {} : { 'last-event-id': String(cursor) } }
      const response = await fetch(url + (opening?.path ?? `${this.path}/stream?${modes}`), {
        ...request,
        signal: AbortSignal.any([leaving.signal, AbortSignal.timeout(ATTEMPT_MS)]),
      })
      if (response.status === 404 && !opening) return true // erased meanwhile
      if (response.status >= 500) return false
      if (!response.ok) throw new Refusal(`${response.status} ${await response.text()}`)
      if (opening) this.path = response.headers.get('content-location') ?? ''
      return await this.#take(response, leaving)
    } catch (error) {
      if (error instanceof Refusal) throw error
      return false
    }
  }

  async #take(response: Response, leaving: AbortController): Promise<boolean> {
    const decoder = new TextDecoder()
    let rest = ''
    const leaves = this.#temper === 'restless' && this.losses < 100
    let patience = leaves ? this.#random.between(1, 6) : Number.POSITIVE_INFINITY
    if (this.#temper === 'absent' && this.losses === 0) patience = 3
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      const texts = (rest + decoder.decode(piece, { stream: true })).replaceAll(HEARTBEAT, '').split('\n\n')
      rest = texts.pop() as string
      for (const text of texts) if (patience > 0 && this.#add(text)) patience--
      if (patience <= 0) {
        leaving.abort()
        return false
      }
      if (this.#temper === 'slow') await sleep(this.#random.between(5, 60))
    }
    if (rest !== '') this.complaint ??= `the stream ended inside a frame: ${rest}`
    return true
  }

  #add(text: string): boolean {
    const fields = new Map(
      text.split('\n').map(line => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
    )
    const event = fields.get('event')
    if (event === undefined) return false
    const id = fields.has('id') ? Number(fields.get('id')) : undefined
    const last = this.frames.at(-1)?.id ?? 0
    if (id === undefined || id <= last) this.complaint ??= `frame ${id} after ${last}: ${text.slice(0, 200)}`
    this.frames.push({ id, event, data: fields.get('data') ?? '' })
    return true
  }
}

export const HEARTBEAT = ': heartbeat\n'

class Refusal extends Error {
  override name = 'Refusal'
}

/** All frames of a run that has ended, in one go. */
export async function replay(
  cluster: Cluster,
  random: Random,
  path: string,
  modes: string[],
): Promise<Frame[] | undefined> {
  const { status, text } = await ask(
    cluster,
    random,
    `${path}/stream?${modes.map(mode => `stream_mode=${mode}`).join('&')}`,
  )
  if (status === 404) return undefined
  if (status !== 200) throw new Error(`replaying ${path} answered ${status}: ${text}`)
  const reader = text
    .replaceAll(HEARTBEAT, '')
    .split('\n\n')
    .filter(frame => frame.startsWith('event: '))
  return reader.map(frame => {
    const [event, data, id] = frame.split('\n') as [string, string, string | undefined]
    return { event: event.slice(7), data: data.slice(6), id: id === undefined ? undefined : Number(id.slice(4)) }
  })
}
