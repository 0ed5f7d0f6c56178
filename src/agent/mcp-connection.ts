// The connection to one MCP server: made at its first use, gone with the server, and made anew at the next use after that.
// A call that was under way when the server died fails, because nobody knows how far it came.
import type { StructuredToolInterface } from '@langchain/core/tools'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { errorFields, type Logger } from '../core/logger.ts'
import type { McpServer } from '../protocol/mcp.ts'

/** Some commands are fetched from a registry before they start. */
const CONNECT_MS = 60_000
/** How long a model's call waits for that. */
const PATIENCE_MS = 10_000
/** How long a server that could not be reached is left alone. */
const PAUSE_MS = 5_000
const PING_MS = 5_000
/** Characters of its standard error that are kept. */
const MAX_ERRORS = 500
/** Characters that models take in a tool's name. */
const MAX_NAME = 64

export interface McpConnectionParts {
  name: string
  server: McpServer
  /** Where its command runs. */
  folder: string
  logger: Logger
}

export class McpConnection {
  readonly #parts: McpConnectionParts
  #client: Promise<Client> | undefined
  #tools: Promise<StructuredToolInterface[]> | undefined
  /** The end of what its standard error said. */
  #errors = ''
  readonly #closing = new AbortController()

  constructor(parts: McpConnectionParts) {
    this.#parts = parts
  }

  /** Its tools. Rejects with an Error that says why there are none, or that it takes long. */
  tools(): Promise<StructuredToolInterface[]> {
    if (this.#tools) return this.#tools
    const loading = this.#load()
    const tools = inTime(loading)
    this.#tools = tools
    tools.catch(() => {})
    loading.then(
      () => {
        if (this.#tools === tools) this.#tools = loading
      },
      error => {
        this.#warn('an MCP server cannot be used', { ...errorFields(error), ...this.#stderr() })
        setTimeout(() => this.#forget(tools), PAUSE_MS).unref()
      },
    )
    return tools
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#client?.then(client => client.close()).catch(() => {})
  }

  async #load(): Promise<StructuredToolInterface[]> {
    const { name, server } = this.#parts
    this.#client ??= this.#connect().catch(error => {
      this.#client = undefined
      throw new Error(reasonOf(error), { cause: error })
    })
    const client = await this.#client
    const { loadMcpTools } = await import('@langchain/mcp-adapters')
    const tools = await loadMcpTools(name, client, {
      prefixToolNameWithServerName: true,
      throwOnLoadError: false,
      defaultToolTimeout: server.timeout_seconds * 1_000,
    })
    return this.#fit(tools)
  }

  async #connect(): Promise<Client> {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js')
    const client: Client = new Client(
      { name: 'runloom', version: '1' },
      { listChanged: { tools: { autoRefresh: false, onChanged: () => this.#forget(this.#tools) } } },
    )
    const call = client.callTool.bind(client)
    client.callTool = async (...args) => {
      try {
        return await call(...args)
      } catch (error) {
        if (!args[2]?.signal?.aborted) void this.#check(client)
        throw error
      }
    }
    this.#errors = ''
    try {
      await client.connect(await this.#transport(), { timeout: CONNECT_MS, signal: this.#closing.signal })
    } catch (error) {
      await client.close()
      throw error
    }
    client.onclose = () => this.#lost()
    client.onerror = () => void this.#check(client)
    return client
  }

  async #transport(): Promise<Transport> {
    const { server, folder } = this.#parts
    if (server.type === 'stdio') {
      const { StdioClientTransport, getDefaultEnvironment } = await import('@modelcontextprotocol/sdk/client/stdio.js')
      const { command, args } = server
      const env = { ...getDefaultEnvironment(), ...server.env }
      const transport = new StdioClientTransport({ command, args, env, cwd: folder, stderr: 'pipe' })
      transport.stderr?.on('data', chunk => {
        this.#errors = `${this.#errors}${chunk}`.slice(-MAX_ERRORS)
      })
      return transport
    }
    const options = { requestInit: { headers: server.headers } }
    const url = new URL(server.url)
    if (server.type === 'sse') {
      const { SSEClientTransport } = await import('@modelcontextprotocol/sdk/client/sse.js')
      return new SSEClientTransport(url, options)
    }
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js')
    return new StreamableHTTPClientTransport(url, options)
  }

  /** Something went wrong. Over HTTP nothing else says that the server is gone, or has forgotten us: it is asked. */
  async #check(client: Client): Promise<void> {
    client.onerror = () => {}
    try {
      await client.ping({ timeout: PING_MS })
      client.onerror = () => void this.#check(client)
    } catch {
      await client.close()
    }
  }

  #lost(): void {
    this.#client = undefined
    this.#tools = undefined
    this.#warn('the connection to an MCP server is lost', this.#stderr())
  }

  #stderr(): Record<string, string> {
    return this.#errors ? { stderr: this.#errors } : {}
  }

  /** The next use asks again. */
  #forget(tools: Promise<StructuredToolInterface[]> | undefined): void {
    if (this.#tools !== tools) return
    this.#tools = undefined
  }

  /** The tools under names that models take, each once. */
  #fit(tools: StructuredToolInterface[]): StructuredToolInterface[] {
    const byName = new Map<string, StructuredToolInterface>()
    for (const tool of tools) {
      tool.name = tool.name.replaceAll(/[^\w-]/g, '_').slice(0, MAX_NAME)
      if (byName.has(tool.name)) this.#warn('two tools of an MCP server have one name here', { tool: tool.name })
      else byName.set(tool.name, tool)
    }
    return [...byName.values()]
  }

  #warn(message: string, fields: Record<string, unknown>): void {
    if (!this.#closing.signal.aborted) this.#parts.logger('warn', message, { server: this.#parts.name, ...fields })
  }
}

/** What comes in time; who comes later is there for the next. */
async function inTime<T>(coming: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it has not answered yet')), PATIENCE_MS)
  })
  try {
    return await Promise.race([coming, late])
  } finally {
    clearTimeout(timer)
  }
}

/** `fetch failed` alone tells nobody anything. */
function reasonOf(error: Error): string {
  const { code, message } = (error.cause ?? {}) as { code?: string; message?: string }
  const cause = message || code
  return cause ? `${error.message}: ${cause}` : error.message
}
