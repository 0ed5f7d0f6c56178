// Programs with an embedded client that die, and two on one database.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { type ClientEvent, RunloomClient } from '../../src/index.ts'
import { echo } from '../fixtures/api/graphs.ts'

const SENTENCE = `20ms ${Array.from({ length: 80 }, (_, n) => `w${n}`).join(' ')}`

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'runloom-embedded-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function program(t: TestContext, data: string): { child: ChildProcess; lines: Interface } {
  const script = join(import.meta.dirname, 'embedded-process.ts')
  const child = spawn(process.execPath, [script, data, SENTENCE], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  return { child, lines: createInterface({ input: child.stdout as NodeJS.ReadableStream }) }
}

const wordsOf = (event: ClientEvent) =>
  event.type === 'messages-tuple' && event.data.type === 'ai' ? event.data.content : ''

test('after SIGKILL another client of the folder goes on with the run, and takes back what was half said', async t => {
  const data = await folder(t)
  const { child, lines } = program(t, data)
  let run_id = ''
  let words = 0
  for await (const line of lines) {
    const event = JSON.parse(line) as ClientEvent & { run_id?: string }
    run_id = event.run_id ?? run_id
    if (wordsOf(event) && ++words === 10) break
  }
  child.kill('SIGKILL')
  await once(child, 'exit')

  await using client = new RunloomClient({ data, env: {}, graphs: { echo } })
  const texts = new Map<string, string>()
  const removed: string[] = []
  let last: ClientEvent | undefined
  for await (const event of client.join(run_id)) {
    last = event
    if (event.type !== 'messages-tuple') continue
    const { id } = event.data
    if (event.data.type === 'remove') {
      removed.push(id)
      texts.delete(id)
    } else texts.set(id, (texts.get(id) ?? '') + wordsOf(event))
  }
  assert.equal(last?.type, 'end')
  assert.equal(removed.length, 1)
  assert.deepEqual([...texts.values()], [SENTENCE])
})

test('two clients on one SQLite file: the second is told who has it, and gets it once it is free', async t => {
  const data = await folder(t)
  const { child, lines } = program(t, data)
  await once(lines, 'line')
  await using client = new RunloomClient({ data, env: {}, graphs: { echo }, assistantId: 'echo' })
  await assert.rejects(client.chat('hi'), /in use by another Runloom process/)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(await client.chat('hi'), 'hi')
  const other = new RunloomClient({ data, env: {} })
  await assert.rejects(other.listThreads(), /in use by another Runloom process/)
  await client.close()
  assert.equal((await other.listThreads()).thread_list.length, 2)
  await other.close()
})

test('a start that fails leaves the file free', async t => {
  const data = await folder(t)
  const wrong = new RunloomClient({ data, env: { RUNLOOM_MODEL: 'nobody:model' } })
  for (const _ of [1, 2]) await assert.rejects(wrong.chat('hi'), /RUNLOOM_MODEL/)
  await using right = new RunloomClient({ data, env: {}, graphs: { echo }, assistantId: 'echo' })
  assert.equal(await right.chat('hi'), 'hi')
})
