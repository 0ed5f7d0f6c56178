// Kills the server in the middle of a streamed answer, starts it again, and reads on from the last event seen. Checks
// itself: the exit code says whether every event came once and the run ended.
//
//   npx node examples/survive.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@langchain/langgraph-sdk'
import { startServer } from './support/server.ts'

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
let server = await startServer(0, data)
const client = new Client({ apiUrl: server.url, callerOptions: { maxRetries: 0 } })
const { thread_id } = await client.threads.create()
const payload = {
  input: { messages: [{ role: 'user', content: 'Count to 40' }] },
  streamMode: 'messages-tuple' as const,
}

const seen: { id?: string | undefined; event: string; data: unknown }[] = []
let run_id = ''
try {
  for await (const event of client.runs.stream(thread_id, 'agent', {
    ...payload,
    onRunCreated: run => {
      run_id = run.run_id
    },
  })) {
    seen.push(event)
    process.stdout.write(textOf(event))
    if (seen.length === 15) server.child.kill('SIGKILL')
  }
} catch {
  console.log('\n\n-- the server was killed; starting it again --\n')
}

server = await startServer(Number(new URL(server.url).port), data)
const lastEventId = seen.at(-1)?.id as string
for await (const event of client.runs.joinStream(thread_id, run_id, { lastEventId })) {
  if (event.event === 'metadata') console.log(`-- attempt ${(event.data as { attempt: number }).attempt} --`)
  seen.push(event)
  process.stdout.write(textOf(event))
}

const ids = seen.map(event => Number(event.id))
assert.deepEqual(
  ids,
  [...new Set(ids)].sort((a, b) => a - b),
  'every event once, in order',
)
assert.equal((await client.runs.get(thread_id, run_id)).status, 'success')
console.log(`\n\nEvery one of ${seen.length} events came once, and the run ended.`)
server.child.kill('SIGTERM')
server.child.once('exit', () => rmSync(data, { recursive: true, force: true }))

function textOf({ event, data }: { event: string; data: unknown }): string {
  if (event !== 'messages') return ''
  const [{ content, type }] = data as [{ content: unknown; type: string }]
  return type === 'ai' && typeof content === 'string' ? content : ''
}
