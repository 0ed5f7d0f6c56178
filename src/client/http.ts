// Requests of the workflow runs client: who sends them, time-outs and retries (contracts: workflows §1). Nothing here is of
// Node, so that it runs wherever fetch does.
import type { z } from 'zod'
import { ApiError, TransportError, ValidationError } from './errors.ts'

export interface ClientOptions {
  /** Ends in `/api/v1`: `http://127.0.0.1:2024/api/v1`. In a graph or an app of the server itself it may be left out. */
  baseUrl?: string
  /** A key of the server. */
  apiKey?: string
  /** A bearer token, or what gives one; asked before every request. */
  token?: string | (() => string | Promise<string>)
  /** For servers that ask nobody who they are. */
  auth?: 'none'
  /** Sends the requests instead of the global fetch. */
  fetch?: typeof fetch
}

export interface Call {
  method: 'GET' | 'POST'
  /** Below the base URL, with its query. */
  path: string
  /** Sent as JSON. */
  body?: unknown
}

/** What one call may be told. */
export interface CallOptions {
  /** Gives the call up; its reason is thrown. */
  signal?: AbortSignal
}

const TIMEOUT_MS = 60_000

/** Where code that a server runs finds it. */
const FETCH_HERE = Symbol.for('langgraph_api:fetch')
const URL_HERE = Symbol.for('langgraph_api:url')
const here = globalThis as { [FETCH_HERE]?: typeof fetch; [URL_HERE]?: string }

/** How often a request is sent that may be sent more than once. */
export const ATTEMPTS = 3

const REQUEST_ID = ['x-modelrelay-request-id', 'x-request-id']

export class Http {
  readonly #base: string
  readonly #headers: Record<string, string> = {}
  readonly #token: ClientOptions['token']
  readonly #fetch: typeof fetch

  constructor({ baseUrl, apiKey, token, auth, fetch: fetchWith }: ClientOptions) {
    const isHere = baseUrl === undefined && here[URL_HERE] !== undefined
    const base = isHere ? `${here[URL_HERE]}/api/v1` : baseUrl
    if (typeof base !== 'string' || !/^https?:\/\/./.test(base.trim())) {
      throw new ValidationError('baseUrl', 'give the URL of the API, such as http://127.0.0.1:2024/api/v1')
    }
    if (auth !== undefined && auth !== 'none') throw new ValidationError('auth', 'can only be "none"')
    if (apiKey === undefined && token === undefined && auth === undefined) {
      throw new ValidationError('auth', 'give an apiKey, a token, or auth: "none"')
    }
    if (auth === 'none' && (apiKey !== undefined || token !== undefined)) {
      throw new ValidationError('auth', 'is "none", but there is an apiKey or a token')
    }
    if (apiKey !== undefined) this.#headers['x-modelrelay-api-key'] = secret('apiKey', apiKey)
    if (token !== undefined && typeof token !== 'function') secret('token', token)
    this.#base = base.trim().replace(/\/+$/, '')
    this.#token = token
    const fetchHere = isHere ? here[FETCH_HERE] : undefined
    this.#fetch = fetchWith ?? fetchHere ?? ((input, init) => globalThis.fetch(input, init))
  }

  /**
   * Sends a request up to `attempts` times and answers its JSON; all of it within 60 seconds. Who is asked to wait longer
   * than that is told so.
   */
  async json<T extends z.ZodType>(
    answer: T,
    call: Call,
    { signal, attempts = ATTEMPTS }: CallOptions & { attempts?: number } = {},
  ): Promise<z.output<T>> {
    const limit = new AbortController()
    const late = new TransportError('timeout', `${call.method} ${call.path}: no answer within ${TIMEOUT_MS / 1000} s`)
    const timer = setTimeout(() => limit.abort(late), TIMEOUT_MS)
    const within = signal ? AbortSignal.any([signal, limit.signal]) : limit.signal
    try {
      return await repeated(attempts, within, async () => {
        const response = await this.#send(call, 'application/json', within)
        return parsed(answer, call, await textOf(call, response))
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends a request up to `attempts` times and answers as soon as the headers are there, whenever that is. */
  open(call: Call, accept: string, signal: AbortSignal, attempts: number): Promise<Response> {
    return repeated(attempts, signal, () => this.#send(call, accept, signal))
  }

  async #send(call: Call, accept: string, signal: AbortSignal): Promise<Response> {
    const { method, path, body } = call
    const token = typeof this.#token === 'function' ? secret('token', await this.#token()) : this.#token
    const headers = {
      ...this.#headers,
      accept,
      ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const init = { method, headers, signal, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await this.#fetch(`${this.#base}${path}`, init).catch((cause: unknown) => {
      throw new TransportError('connection', `${method} ${path}: ${reasonOf(cause)}`, { cause })
    })
    if (response.ok) return response
    const failure = new ApiError(response.status, requestIdOf(response), await response.text().catch(() => ''))
    const after_ms = retryAfterOf(response)
    if (after_ms !== undefined) failure.retryAfterMs = after_ms
    throw failure
  }
}

export function requestIdOf({ headers }: Response): string | undefined {
  return REQUEST_ID.map(name => headers.get(name)).find(id => id) ?? undefined
}

/** What a server asks to wait, in seconds or until a date; undefined where it says nothing of use. */
function retryAfterOf({ headers }: Response): number | undefined {
  const asked = headers.get('retry-after')?.trim()
  if (!asked) return undefined
  const ms = /^\d+$/.test(asked) ? Number(asked) * 1_000 : Date.parse(asked) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0)
}

/**
 * Waits before the attempt after `failures` failed ones: 300 ms, doubling to 5 s, more or less by half; longer where the
 * server has asked for it.
 */
export function backOff(failures: number, signal: AbortSignal, least_ms = 0): Promise<void> {
  const ms = Math.max(Math.min(300 * 2 ** (failures - 1), 5_000) * (0.5 + Math.random()), least_ms)
  let timer: ReturnType<typeof setTimeout>
  const over = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  return abortable(over, signal).finally(() => clearTimeout(timer))
}

/** What the promise gives, unless the signal comes first; then its reason is thrown. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

async function repeated<T>(attempts: number, signal: AbortSignal, once: () => Promise<T>): Promise<T> {
  let asked_ms = 0
  for (let retries = 0; ; retries++) {
    try {
      if (retries > 0) await backOff(retries, signal, asked_ms)
      signal.throwIfAborted()
      return await abortable(once(), signal)
    } catch (error) {
      const failure = signal.aborted ? signal.reason : error
      if (failure instanceof TransportError) failure.retries = retries
      if (signal.aborted || retries + 1 >= attempts || !mayPass(failure)) throw failure
      asked_ms = failure instanceof ApiError ? (failure.retryAfterMs ?? 0) : 0
      if (asked_ms > TIMEOUT_MS) throw failure
    }
  }
}

/** Whether the same request may succeed later. */
export function mayPass(failure: unknown): boolean {
  if (failure instanceof TransportError) return failure.kind !== 'response'
  return failure instanceof ApiError && (failure.status === 408 || failure.status === 429 || failure.status >= 500)
}

function parsed<T extends z.ZodType>(answer: T, { method, path }: Call, text: string): z.output<T> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TransportError('response', `${method} ${path}: the answer is not JSON`, { cause })
  }
  const found = answer.safeParse(value)
  if (found.success) return found.data
  const [issue] = found.error.issues
  const says = `${issue?.path.join('.') || 'the answer'}: ${issue?.message}`
  throw new TransportError('response', `${method} ${path}: not an answer of this API (${says})`, { cause: found.error })
}

function textOf({ method, path }: Call, response: Response): Promise<string> {
  return response.text().catch((cause: unknown) => {
    throw new TransportError('connection', `${method} ${path}: the answer broke off (${reasonOf(cause)})`, { cause })
  })
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function secret(field: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '') return value.trim()
  throw new ValidationError(field, 'must be a text that is not blank')
}
