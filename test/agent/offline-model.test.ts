import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AIMessageChunk } from '@langchain/core/messages'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { calculate, currentTime } from '../../src/agent/tools.ts'

const model = new OfflineModel({ delay_ms: 0 })
const withTools = model.bindTools([calculate, currentTime])

async function chunksOf(question: string, from = withTools): Promise<AIMessageChunk[]> {
  const chunks: AIMessageChunk[] = []
  for await (const chunk of await from.stream(question)) chunks.push(chunk)
  return chunks
}

const wholeOf = (chunks: AIMessageChunk[]): AIMessageChunk => chunks.reduce((whole, chunk) => whole.concat(chunk))

test('an answer arrives token by token, under one id a call', async () => {
  const chunks = await chunksOf('count to 5')
  assert.deepEqual(
    chunks.map(chunk => chunk.text),
    ['1,', ' 2,', ' 3,', ' 4,', ' 5.', ''],
  )
  assert.equal(new Set(chunks.map(chunk => chunk.id)).size, 1)
  assert.notEqual(chunks[0]?.id, (await chunksOf('count to 5'))[0]?.id)
})

test('the last chunk reports usage', async () => {
  const answer = await model.invoke('count to 5')
  assert.partialDeepStrictEqual(answer.usage_metadata, { input_tokens: 3, output_tokens: 5, total_tokens: 8 })
  assert.equal(answer.response_metadata.finish_reason, 'stop')
})

test('streamed and whole answers are the same', async () => {
  assert.equal((await model.invoke('hello')).text, wholeOf(await chunksOf('hello')).text)
})

test('a tool call is streamed in pieces that add up to its arguments', async () => {
  const chunks = await chunksOf('what is (2 + 3) * 4?')
  const pieces = chunks.flatMap(chunk => chunk.tool_call_chunks ?? [])
  assert.ok(pieces.length > 3)
  assert.equal(pieces.map(piece => piece.args).join(''), '{"expression":"(2 + 3) * 4"}')
  assert.deepEqual(
    pieces.map(piece => piece.name ?? ''),
    ['calculate', ...pieces.slice(1).map(() => '')],
  )
  const [call] = wholeOf(chunks).tool_calls ?? []
  assert.deepEqual(call?.args, { expression: '(2 + 3) * 4' })
  assert.equal(wholeOf(chunks).response_metadata.finish_reason, 'tool_calls')
})

test('any tool can be asked for by its name', async () => {
  const asked = async (question: string) =>
    wholeOf(await chunksOf(question)).tool_calls?.map(({ name, args }) => [name, args])
  assert.deepEqual(await asked('Use current_time'), [['current_time', {}]])
  assert.deepEqual(await asked('use calculate with {"expression": "1+1"}.'), [['calculate', { expression: '1+1' }]])
  assert.deepEqual(await asked('use calculate with {"expression"}'), [])
  assert.match((await model.invoke('Use shop__stock')).text, /the tool shop__stock is not bound/)
})

test('what is told of the files of a message is no part of the question', async () => {
  const note = '<uploaded_files>\n- /mnt/user-data/uploads/count to 2.txt (1 bytes)\n</uploaded_files>\n\n'
  assert.match((await model.invoke(`${note}hi`)).text, /^Hello!/)
})

test('one question can take two tools', async () => {
  const { tool_calls } = wholeOf(await chunksOf('What is 6 times 7, and what time is it in New York?'))
  assert.deepEqual(
    tool_calls?.map(({ name, args }) => [name, args]),
    [
      ['calculate', { expression: '6 * 7' }],
      ['current_time', { time_zone: 'America/New_York' }],
    ],
  )
})

test('only bound tools are called', async () => {
  const unbound = await model.invoke('what is 2 + 3?')
  assert.deepEqual(unbound.tool_calls, [])
  assert.match(unbound.text, /the tool calculate is not bound/)
  const definition = { type: 'function', function: { name: 'calculate', parameters: {} } }
  assert.equal((await model.bindTools([definition]).invoke('what is 2 + 3?')).tool_calls?.[0]?.name, 'calculate')
})

test('it says what it is and how to connect a real model', async () => {
  for (const question of ['Hello!', 'Which model are you?', 'Write me a poem about rivers.']) {
    const { text } = await model.invoke(question)
    assert.match(text, /offline model/)
    assert.match(text, /RUNLOOM_MODEL=provider:name/)
  }
})

test('it answers about Runloom by keyword', async () => {
  assert.match((await model.invoke('What is Runloom?')).text, /self-hosted server/)
  assert.match((await model.invoke('What does kill -9 do to a run?')).text, /claims its runs/)
  assert.match((await model.invoke('How do I resume a stream?')).text, /Last-Event-ID/)
})

test('it counts to 1000 at most', async () => {
  assert.match((await model.invoke('count to 2000')).text, / 1000\. I stop here: I count to 1000 at most\.$/)
})

for (const delay_ms of [0, 10_000]) {
  test(`an abort ends the stream at once, with its reason (delay_ms: ${delay_ms})`, async () => {
    const reason = new Error('the user left')
    const abort = new AbortController()
    setTimeout(() => abort.abort(reason), 5)
    let seen = 0
    await assert.rejects(async () => {
      const stream = await new OfflineModel({ delay_ms }).stream('count to 1000', { signal: abort.signal })
      for await (const _ of stream) seen++
    }, reason)
    assert.ok(seen < 1000)
  })
}

test('invoke rejects with the reason of an abort as well', async () => {
  const reason = new Error('the user left')
  const abort = new AbortController()
  setTimeout(() => abort.abort(reason), 5)
  await assert.rejects(new OfflineModel({ delay_ms: 10_000 }).invoke('hello', { signal: abort.signal }), reason)
})
