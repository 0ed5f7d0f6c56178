// Runs a workflow with a tool that this program has, and kills the server while the tool is at work. Needs no key: the
// offline model asks for `calculate` when it is given something to calculate. Checks itself.
//
//   node examples/workflow.ts
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { llm, parallel, ToolRunner, tool, WorkflowRunsClient } from '../src/client/client.ts' // runloom/client

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
let server = await start(0)
const client = new WorkflowRunsClient({ baseUrl: `${server.url}/api/v1`, auth: 'none' })

const runner = new ToolRunner(client, {
  calculate: tool({
    description: 'Multiplies two numbers.',
    schema: z.object({ expression: z.string() }),
    run: async ({ expression }) => {
      console.log(`-- the tool was asked for ${expression}; the server is killed and started again --`)
      server.child.kill('SIGKILL')
      server = await start(Number(new URL(server.url).port))
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

function start(port: number): Promise<{ child: ChildProcess; url: string }> {
  const args = [join(import.meta.dirname, '../src/cli.ts'), 'serve', '--port', String(port), '--data', data]
  const child = spawn(process.execPath, args, { cwd: data, stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', line => {
      const [, url] = /listening on (\S+)$/.exec(line) ?? []
      if (url) resolve({ child, url })
    })
  })
}
