// MCP servers as runloom.yaml and the wire have them, the same over HTTP and in process (contracts: gateway §2, §3.1).
import { z } from 'zod'

/** What stands in the place of a secret: in every answer, and in a request where it is to stay as it is. */
export const MASK = '***'

/** It is the beginning of the names of its tools, where models take nothing else. */
export const mcpName = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, { error: 'use up to 40 letters, digits, _ and -' })

const common = {
  enabled: z.boolean().default(true).describe('Whether it is used.'),
  description: z.string().max(4_000).default('').describe('What people are told about it.'),
  timeout_seconds: z.number().min(1).max(86_400).default(60).describe('Of one call of a tool.'),
}
const secrets = z.record(z.string().min(1), z.string())

/** One MCP server: a command over stdio, or a URL over HTTP. */
export const mcpServer = z.preprocess(
  given => {
    if (typeof given !== 'object' || given === null || 'type' in given) return given
    return { type: 'url' in given ? 'http' : 'stdio', ...given }
  },
  z.discriminatedUnion('type', [
    z.strictObject({
      ...common,
      type: z.literal('stdio').describe('What it is with a `command`.'),
      command: z.string().min(1).describe('A name on the PATH, or a path.'),
      args: z.array(z.string()).default([]).describe('Its arguments.'),
      env: secrets.default({}).describe('Variables for it; a place for `$TOKEN`.'),
    }),
    z.strictObject({
      ...common,
      type: z.enum(['http', 'sse']).describe('`http` with a `url`; `sse` is its older form.'),
      url: z.url({ protocol: /^https?$/, error: 'use a URL like https://example.com/mcp' }).describe('Where it is.'),
      headers: secrets.default({}).describe('Sent with every request; a place for `$TOKEN`.'),
    }),
  ]),
)

export type McpServer = z.infer<typeof mcpServer>

/** All of them: what a server answers, and what is put in the place of all that there were. */
export const mcpConfig = z.object({ mcp_servers: z.record(mcpName, mcpServer) })

/** Of servers that there are, what is to change. */
export const patchMcpConfig = z.object({
  mcp_servers: z.record(
    mcpName,
    z.strictObject({ enabled: z.boolean().optional(), description: z.string().optional() }),
  ),
})
