// An MCP server over stdio: what a shop has on its shelves.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { z } from 'zod'

const SHELVES: Record<string, number> = { tea: 12, coffee: 0 }

const server = new McpServer({ name: 'shop', version: '1.0.0' })
server.registerTool(
  'stock',
  { description: 'How many boxes of something there are.', inputSchema: { item: z.string() } },
  ({ item }) => ({ content: [{ type: 'text', text: `${SHELVES[item] ?? 0} boxes of ${item}` }] }),
)
await server.connect(new StdioServerTransport())
