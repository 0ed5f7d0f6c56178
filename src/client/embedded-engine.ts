// The engine behind an embedded client: the server's runtime without a port. It is opened by the first call that needs it,
// and every call of the API goes to its routes in process, as whoever operates it: no key is asked for.
import { join, resolve } from 'node:path'
import type { z } from 'zod'
import { publishEnvironment, readConfig } from '../config.ts'
import { type ErrorCode, RunloomError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { type Runtime, type RuntimeOptions, startRuntime } from '../runtime.ts'

export interface EngineOptions {
  /** The configuration file; without one, what the server would find in the working directory. */
  config?: string
  /** The folder of the database and of files. Given, it wins over a DATABASE_URL in the environment. */
  data?: string
  /** `sqlite:<path>` or `postgres://…`. */
  databaseUrl?: string
  /** Instead of the process's environment, to which nothing is added then. */
  env?: NodeJS.ProcessEnv
  /** Graphs by id, beside those of the configuration: anything that its files might export. */
  graphs?: Readonly<Record<string, object>>
  /** LangChain middlewares of the lead agent, beside its own. */
  middlewares?: NonNullable<RuntimeOptions['middlewares']>
  /** Where the engine's log lines go; nowhere without one. */
  logger?: Logger
}

/** Nothing listens there: requests to it are answered here. */
export const ORIGIN = 'http://runloom.internal'

/** An object is sent as JSON. */
type Body = object | FormData | Blob

export class Engine {
  readonly #options: EngineOptions
  #runtime: Promise<Runtime> | undefined
  #closing: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: EngineOptions) {
    this.#options = options
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Rejects with what is wrong with the configuration, or with the database (another process may have it). */
  async runtime(): Promise<Runtime> {
    if (this.#closed) throw new RunloomError('gone', 'This client is closed; make another one')
    this.#runtime ??= this.#start().catch(error => {
      this.#runtime = undefined // the next call tries again
      throw error
    })
    return this.#runtime
  }

  /** Closes what is open; the next call reads the configuration anew. */
  async reset(): Promise<void> {
    const opened = this.#runtime
    this.#runtime = undefined
    if (opened) {
      const before = this.#closing
      this.#closing = before.then(async () => (await opened.catch(() => undefined))?.close())
    }
    await this.#closing
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.reset()
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const { app } = await this.runtime()
    return app.fetch(new Request(input, init))
  }

  /** What a route answers, checked. Throws what it refuses as a RunloomError. */
  async call<T extends z.ZodType>(schema: T, method: string, path: string, body?: Body): Promise<z.output<T>> {
    return schema.parse(await (await this.request(method, path, body)).json())
  }

  async request(method: string, path: string, body?: Body): Promise<Response> {
    const sent = body === undefined || body instanceof FormData || body instanceof Blob ? body : JSON.stringify(body)
    const response = await this.fetch(`${ORIGIN}${path}`, {
      method,
      ...(sent !== undefined && { body: sent }),
      ...(typeof sent === 'string' && { headers: { 'content-type': 'application/json' } }),
    })
    if (response.ok) return response
    throw refused(response.status, await response.json().catch(() => ({})))
  }

  async #start(): Promise<Runtime> {
    await this.#closing
    const { config: file, data, databaseUrl, env, graphs, middlewares, logger = () => {} } = this.#options
    const argv = { ...(file !== undefined && { config: file }), ...(data !== undefined && { data }) }
    const config = await readConfig({ argv, ...(env && { env }) })
    if (!env) publishEnvironment(config)
    const given = databaseUrl ?? (data === undefined ? undefined : `sqlite:${join(resolve(data), 'runloom.db')}`)
    // What concerns who comes in from outside has no meaning here.
    const { app: _, ...http } = config.http
    return startRuntime(
      {
        ...config,
        ...(given !== undefined && { database_url: given }),
        auth: undefined,
        api_keys: [],
        http: { ...http, mount_prefix: '' },
        agent: { ...config.agent, mcp_commands_by_api: true }, // who calls could start them anyway
      },
      { logger, ...(graphs && { own: graphs }), ...(middlewares && { middlewares }) },
    )
  }
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'malformed',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  410: 'gone',
  413: 'too_large',
  422: 'invalid',
  429: 'busy',
  501: 'unsupported',
  503: 'unavailable',
}

function refused(status: number, { detail }: { detail?: unknown }): Error {
  const message = Array.isArray(detail) ? detail.map(({ msg }: { msg: string }) => msg).join('; ') : String(detail)
  const code = CODES[status]
  return code ? new RunloomError(code, message) : new Error(message)
}
