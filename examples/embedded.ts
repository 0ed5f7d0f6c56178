// An agent inside a program: no server, no port, no key. Two turns on one thread, one of them with a tool; then a second
// client of the same folder, as after a restart, reads what was said. Checks itself.
//
//   npx node examples/embedded.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RunloomClient } from '../src/index.ts' // runloom

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
const client = new RunloomClient({ data, env: {} }) // no environment: the offline model
const threadId = 'sums'

for await (const { type, data } of client.stream('What is 6 * 7?', { threadId })) {
  if (type === 'messages-tuple' && data.type === 'ai') {
    for (const call of data.tool_calls ?? []) console.log(`-- ${call.name} ${JSON.stringify(call.args)} --`)
    process.stdout.write(data.content)
  }
  if (type === 'end') console.log(`\n-- ${data.usage.total_tokens} tokens --`)
}
const answer = await client.chat('And 42 / 2?', { threadId })
console.log(answer)
assert.match(answer, /21/)
await client.close()

const again = new RunloomClient({ data, env: {} })
const { checkpoints } = await again.getThread(threadId)
const messages = checkpoints.at(-1)?.values.messages as { type: string; content: string }[]
const said = messages.filter(({ type }) => type !== 'tool' && type !== 'system').map(({ content }) => content)
assert.equal(said[0], 'What is 6 * 7?')
assert.equal(said.at(-1), answer)
const { thread_list } = await again.listThreads()
assert.deepEqual(
  thread_list.map(thread => thread.thread_id),
  [threadId],
)
await again.close()
rmSync(data, { recursive: true, force: true })
console.log(`The next client of the folder found all ${messages.length} messages of the thread.`)
