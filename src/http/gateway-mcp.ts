// The configuration of MCP servers over HTTP (contracts: gateway §2). No answer has a secret. Paths are relative to where the
// dialect is mounted.
import { Hono } from 'hono'
import {
  changeMcpServers,
  listMcpServers,
  type McpChange,
  type McpServersByName,
  maskedMcpServer,
} from '../core/mcp-servers.ts'
import * as protocol from '../protocol/mcp.ts'
import { administrate } from './access.ts'
import { body } from './errors.ts'
import type { Ports } from './ports.ts'

export function gatewayMcpRoutes(ports: Ports) {
  const { db, mcp } = ports
  const change = async (to: McpChange) => masked(await db.run(changeMcpServers, { ...mcp, change: to }))
  return new Hono()
    .get('/mcp/config', async c => c.json(masked(await db.run(listMcpServers, mcp))))
    .put('/mcp/config', async c => {
      administrate(ports, c)
      return c.json(await change({ replace: (await body(c, protocol.mcpConfig)).mcp_servers }))
    })
    .patch('/mcp/config', async c => {
      administrate(ports, c)
      return c.json(await change({ patch: (await body(c, protocol.patchMcpConfig)).mcp_servers }))
    })
}

function masked(servers: McpServersByName) {
  const shown = Object.entries(servers).map(([name, server]) => [name, maskedMcpServer(server)])
  return { mcp_servers: Object.fromEntries(shown) }
}
