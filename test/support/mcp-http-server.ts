// A real MCP server over HTTP with sessions; it forgets them when it is started anew.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

/** `port`: 0 for any. It shouts, under the name of `tool`; `slow` never answers. */
export async function startMcpHttpServer({ port = 0, tool = 'shout' } = {}) {
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const headers: IncomingMessage['headers'][] = []
  const waiting: (() => void)[] = []

  const makeTransport = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: id => void sessions.set(id, transport),
    })
    const server = new McpServer({ name: 'http', version: '1' })
    server.registerTool(tool, { description: 'Shouts.', inputSchema: { text: z.string() } }, ({ text }) => ({
      content: [{ type: 'text', text: text.toUpperCase() }],
    }))
    server.registerTool('slow', { description: 'Takes its time.' }, async () => {
      await new Promise<void>(resolve => waiting.push(resolve))
      return { content: [{ type: 'text', text: 'at last' }] }
    })
    await server.connect(transport as never)
    return transport
  }

  const server = createServer(async (request, response) => {
    headers.push(request.headers)
    const id = request.headers['mcp-session-id']
    const transport = typeof id === 'string' ? sessions.get(id) : await makeTransport()
    if (transport) await transport.handleRequest(request, response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${bound}/mcp`,
    port: bound,
    headers,
    /** Calls of `slow` that wait. */
    waiting,
    /** As if it had been started anew. */
    forget: () => sessions.clear(),
    /** Its death: every connection breaks. */
    async close() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
