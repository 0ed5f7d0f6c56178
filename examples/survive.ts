// Kills the server in the middle of a streamed answer, starts it again, and reads on from the last event seen. Checks
// itself: the exit code says whether every event came once and the run ended.
//
//   node examples/survive.ts
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from '@langchain/langgraph-sdk'

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
let server = await start(0)
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

server = await start(Number(new URL(server.url).port))
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

function textOf({ event, data }: { event: string; data: unknown }): string {
  if (event !== 'messages') return ''
  const [{ content, type }] = data as [{ content: unknown; type: string }]
  return type === 'ai' && typeof content === 'string' ? content : ''
}
