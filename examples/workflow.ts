// Runs a workflow with a tool that this program has, and kills the server while the tool is at work. Needs no key: the
// offline model asks for `calculate` when it is given something to calculate. Checks itself.
//
//   npx node examples/workflow.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { llm, parallel, ToolRunner, tool, WorkflowRunsClient } from '../src/client/client.ts' // runloom/client
import { startServer } from './support/server.ts'

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
let server = await startServer(0, data)
const client = new WorkflowRunsClient({ baseUrl: `${server.url}/api/v1`, auth: 'none' })

const runner = new ToolRunner(client, {
  calculate: tool({
    description: 'Multiplies two numbers.',
    schema: z.object({ expression: z.string() }),
    run: async ({ expression }) => {
      console.log(`-- the tool was asked for ${expression}; the server is killed and started again --`)
      server.child.kill('SIGKILL')
      server = await startServer(Number(new URL(server.url).port), data)
      return expression.split('*').reduce((product, factor) => product * Number(factor), 1)
    },
  }),
})

const sum = llm('sum', {
  user: 'What is {{task}}?',
  tools: runner.definitions,
  tool_execution: { mode: 'client' },
})
const spec = parallel([sum, llm('fact', { user: 'What is a checkpoint?' })], { model: 'offline' })
  .text('sum', 'sum')
  .text('fact', 'fact')
  .build()

const { run_id } = await client.createWithOptions(spec, { input: { task: '6 * 7' } })
let count = 0
for await (const event of runner.follow(run_id)) {
  console.log(event.seq, event.type, 'node_id' in event ? event.node_id : '')
  assert.equal(event.seq, ++count)
}
const { status, outputs } = await client.get(run_id)
console.log(outputs)
assert.equal(status, 'succeeded')
assert.match(String(outputs.sum), /42/)
console.log(`\n\nEvery one of ${count} events came once, and the run ended.`)
server.child.kill('SIGTERM')
server.child.once('exit', () => rmSync(data, { recursive: true, force: true }))
