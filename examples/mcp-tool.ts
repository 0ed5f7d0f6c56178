// Gives the lead agent the tools of an MCP server by four lines of runloom.yaml, and has it call one. Needs no key: the
// offline model calls the tool that it is told to. Checks itself.
//
//   npx node examples/mcp-tool.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@langchain/langgraph-sdk'
import { startServer } from './support/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'runloom-example-'))
writeFileSync(
  join(folder, 'runloom.yaml'),
  `mcp_servers:
  shop:
    command: ${JSON.stringify(process.execPath)}
    args: [${JSON.stringify(join(import.meta.dirname, 'support/shop-server.ts'))}]
`,
)
const server = await startServer(0, folder)
const client = new Client({ apiUrl: server.url })

const content = 'Use shop__stock with {"item": "tea"}'
const values = await client.runs.wait(null, 'lead_agent', { input: { messages: [{ role: 'user', content }] } })
const { messages } = values as { messages: { type: string; content: string }[] }
for (const message of messages) if (message.content) console.log(`${message.type}: ${message.content}`)

assert.equal(messages.at(-1)?.content, 'The tool shop__stock says: 12 boxes of tea')
console.log('\nThe agent asked the MCP server, and answered with what it said.')
server.child.kill('SIGTERM')
server.child.once('exit', () => rmSync(folder, { recursive: true, force: true }))
