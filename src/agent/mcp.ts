// The tools of MCP servers in the lead agent. Which there are is asked at each model call, so that a change of the
// configuration counts at once, in every process. A server that cannot be used is left out, and the model is told so.
import type { StructuredToolInterface } from '@langchain/core/tools'
import { createMiddleware, ToolMessage } from 'langchain'
import type { Logger } from '../core/logger.ts'
import { listMcpServers, type McpSettings } from '../core/mcp-servers.ts'
import type { Database } from '../db/database.ts'
import { instructed } from './instructions.ts'
import { McpConnection } from './mcp-connection.ts'

export interface McpParts {
  db: Database
  settings: McpSettings
  /** Where commands run. */
  folder: string
  logger: Logger
}

export interface McpTools {
  tools: StructuredToolInterface[]
  /** Why servers are missing, by name. */
  missing: Record<string, string>
}

export class Mcp {
  readonly #parts: McpParts
  /** With the configuration that they were made for. */
  readonly #connections = new Map<string, { made_for: string; connection: McpConnection }>()
  #closed = false

  constructor(parts: McpParts) {
    this.#parts = parts
  }

  /** All there are now. */
  async tools(): Promise<McpTools> {
    const found: McpTools = { tools: [], missing: {} }
    const asked = await Promise.all(
      [...(await this.#current())].map(async ([name, { connection }]) => {
        return { name, got: await connection.tools().catch((error: Error) => error.message) }
      }),
    )
    for (const { name, got } of asked) {
      if (typeof got === 'string') found.missing[name] = got
      else found.tools.push(...got)
    }
    return found
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#connections.values()].map(({ connection }) => connection.close()))
  }

  /** The connections as the configuration is now; those that it no longer has are closed. */
  async #current() {
    const { db, settings, folder, logger } = this.#parts
    const servers = await db.run(listMcpServers, settings)
    if (this.#closed) return new Map<string, never>()
    const wanted = new Map(Object.entries(servers).filter(([, { enabled }]) => enabled))
    for (const [name, { made_for, connection }] of this.#connections) {
      if (made_for === JSON.stringify(wanted.get(name))) continue
      this.#connections.delete(name)
      void connection.close()
    }
    for (const [name, server] of wanted) {
      if (this.#connections.has(name)) continue
      const connection = new McpConnection({ name, server, folder, logger })
      this.#connections.set(name, { made_for: JSON.stringify(server), connection })
    }
    return this.#connections
  }
}

export function mcpMiddleware(mcp: Mcp) {
  return createMiddleware({
    name: 'Mcp',
    wrapModelCall: async (request, handler) => {
      const { tools, missing } = await mcp.tools()
      const known = new Set(request.tools.map(({ name }) => name))
      const added = tools.filter(({ name }) => !known.has(name))
      return handler(instructed({ ...request, tools: [...request.tools, ...added] }, told(missing)))
    },
    wrapToolCall: async (request, handler) => {
      const { name, id = '' } = request.toolCall
      if (request.tool) return handler(request)
      const { tools, missing } = await mcp.tools()
      const tool = tools.find(one => one.name === name)
      if (tool) return handler({ ...request, tool })
      const server = Object.keys(missing).find(one => name.startsWith(`${one}__`))
      if (server === undefined) return handler(request)
      const content = `The MCP server "${server}" cannot be used now: ${missing[server]}`
      return new ToolMessage({ name, tool_call_id: id, status: 'error', content })
    },
  })
}

function told(missing: McpTools['missing']): string | undefined {
  const lines = Object.entries(missing).map(
    ([name, reason]) => `- ${name}: ${reason.split(/\s+/).join(' ').slice(0, 300)}`,
  )
  if (lines.length === 0) return undefined
  return ['These servers of tools cannot be used now. Say so where a task would need one:', ...lines].join('\n')
}
