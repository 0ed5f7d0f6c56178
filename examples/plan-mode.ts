// The lead agent works off a plan, and its server is killed in the middle. Needs no key: in plan mode the offline model
// plans the parts of what it is asked. Checks itself.
//
//   npx node examples/plan-mode.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@langchain/langgraph-sdk'
import { startServer } from './support/server.ts'

interface Values {
  title?: string
  todos?: { content: string; status: string }[]
  messages: { content: string }[]
}

const MARKS: Record<string, string> = { completed: 'x', in_progress: '~', pending: ' ' }

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
let server = await startServer(0, data)
const client = new Client({ apiUrl: server.url, callerOptions: { maxRetries: 0 } })

const { thread_id } = await client.threads.create()
const content = 'What is 2 + 3 and then what is 6 * 7 and then count to 5 and then what is 8 - 1?'
const { run_id } = await client.runs.create(thread_id, 'lead_agent', {
  input: { messages: [{ role: 'user', content }] },
  context: { is_plan_mode: true },
  streamMode: ['values'],
})

const plans: string[] = []
let lastEventId = '-1'
try {
  await follow(() => plans.at(-1)?.startsWith('[x]') && server.child.kill('SIGKILL'))
} catch {
  console.log('-- the server was killed; starting it again --')
}
server = await startServer(Number(new URL(server.url).port), data)
await follow(() => {})

const { values } = await client.threads.getState<Values>(thread_id)
console.log(`${values.title}\n${values.messages.at(-1)?.content}`)
assert.equal(new Set(plans).size, 5, 'every step of the plan came once')
assert.ok(values.todos?.every(({ status }) => status === 'completed'))
assert.match(
  values.messages.at(-1)?.content ?? '',
  /1\. 2 \+ 3 is 5\.\n2\. 6 \* 7 is 42\.\n3\. 1, 2, 3, 4, 5\.\n4\. 8 - 1 is 7\.$/,
)
console.log(`\nThe plan of ${values.todos?.length} parts is done, each of them once.`)
server.child.kill('SIGTERM')
server.child.once('exit', () => rmSync(data, { recursive: true, force: true }))

/** Prints the plan whenever it has changed. */
async function follow(onChange: () => unknown) {
  for await (const { event, data, id } of client.runs.joinStream(thread_id, run_id, { lastEventId })) {
    if (id) lastEventId = id
    const { todos } = (event === 'values' ? data : {}) as Values
    const plan = todos?.map(({ content, status }) => `[${MARKS[status]}] ${content}`).join('  ') ?? ''
    if (plan === '' || plan === plans.at(-1)) continue
    plans.push(plan)
    console.log(plan)
    onChange()
  }
}
