// A graph starts a plan, the plan runs two agents, and the server is killed in the middle of it. The graph's run goes on,
// finds the plan that it had started, and takes its answers. Needs no key. Checks itself.
//
//   npx node examples/planner.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@langchain/langgraph-sdk'
import { WorkflowRunsClient } from '../src/client/client.ts' // runloom/client
import { startServer } from './support/server.ts'

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
const graph = join(import.meta.dirname, 'graphs/planner.ts')
writeFileSync(join(data, 'langgraph.json'), JSON.stringify({ graphs: { planner: `${graph}:planner` } }))
let server = await startServer(0, data)
const client = new Client({ apiUrl: server.url, callerOptions: { maxRetries: 0 } })
const workflows = new WorkflowRunsClient({ baseUrl: `${server.url}/api/v1`, auth: 'none' })

const { thread_id } = await client.threads.create()
const { run_id } = await client.runs.create(thread_id, 'planner', { input: { task: 'Count to 40' } })
let started = await workflows.list()
while (started.length === 0) started = await workflows.list()
const plan = started[0]?.run_id as string
for await (const event of await workflows.streamEvents(plan)) {
  if (event.type !== 'node_started') continue
  console.log(`-- the plan ${plan} asks its agents; the server is killed and started again --`)
  server.child.kill('SIGKILL')
  break
}
server = await startServer(Number(new URL(server.url).port), data)
const { answers } = (await client.runs.join(thread_id, run_id)) as { answers: Record<string, string> }
console.log(answers)
assert.match(answers.task as string, /1, 2, 3, .+ 40/)
assert.match(answers.check as string, /another claims its runs/)
assert.deepEqual(
  (await workflows.list()).map(run => [run.run_id, run.status]),
  [[plan, 'succeeded']],
)
console.log('\n\nThe graph started one plan, and has the answers of both of its agents.')
server.child.kill('SIGTERM')
server.child.once('exit', () => rmSync(data, { recursive: true, force: true }))
