// The lead agent on the server, with a provider on a bad day: what clients see of a turn that was tried again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ChatRequest, type ScriptedReply, startOpenAIServer } from '../support/openai-server.ts'
import { forEachServer } from '../support/server.ts'
import { ask, frames, threadName } from './gateway-harness.ts'
import { say } from './harness.ts'

interface Message {
  type: string
  id: string
  content: string
  tool_calls?: { name: string; args: object }[]
  additional_kwargs: { reasoning_content?: string }
}

/** Requests of each question so far: the first meets a limit, the second answer breaks off. */
const tries = new Map<string, number>()

function badDay({ messages }: ChatRequest): ScriptedReply {
  if (messages.at(-1)?.role === 'tool') return { reasoning: 'I see', text: 'It is 42.' }
  const question = JSON.stringify(messages.findLast(({ role }) => role === 'user')?.content)
  const tried = (tries.get(question) ?? 0) + 1
  tries.set(question, tried)
  if (tried === 1) return { status: 429, headers: { 'retry-after-ms': '1' } }
  if (tried === 2) return { text: 'half an answer', break_after: 3 }
  return { reasoning: 'let me see', calls: [{ name: 'calculate', args: { expression: '6 * 7' } }] }
}

let provider: Awaited<ReturnType<typeof startOpenAIServer>>
before(async () => {
  provider = await startOpenAIServer({ script: badDay })
})
after(() => provider.close())

forEachServer(
  'a provider on a bad day',
  server => {
    test('limits and broken answers are tried again; thoughts, pieces of calls and usage arrive', async () => {
      const thread_id = threadName()
      const shown = await frames(server(), `/threads/${thread_id}/runs/stream`, {
        input: say(`6 * 7? ${thread_id}`),
        stream_mode: ['values', 'messages-tuple'],
      })
      assert.deepEqual([shown[0]?.event, shown.at(-1)?.event], ['metadata', 'end'])
      assert.ok(!shown.some(({ event }) => event === 'error' || event === 'cancel'))
      const { data } = shown.findLast(({ event }) => event === 'values') ?? assert.fail('no values')
      const { messages } = data as { messages: Message[] }
      assert.deepEqual(
        messages.map(({ type, content }) => [type, content]).slice(1),
        [
          ['ai', ''],
          ['tool', '42'],
          ['ai', 'It is 42.'],
        ],
        'nothing of the half answer is left',
      )
      const [, called] = messages
      assert.deepEqual(
        called?.tool_calls?.map(({ name, args }) => [name, args]),
        [['calculate', { expression: '6 * 7' }]],
      )
      const pieces = shown.filter(({ event }) => event === 'messages').map(({ data }) => (data as [Message])[0])
      const thought = pieces.filter(({ id }) => id === called?.id)
      assert.equal(thought.map(piece => piece.additional_kwargs.reasoning_content ?? '').join(''), 'let me see')
      const said = pieces.filter(({ id }) => id === messages.at(-1)?.id)
      assert.equal(said.map(({ content }) => content).join(''), 'It is 42.')
      const { total_tokens, by_caller } = await ask(server(), `/threads/${thread_id}/token-usage`)
      assert.deepEqual([total_tokens, by_caller.lead_agent], [36, 36], 'two answers were whole')
    })
  },
  () => ({ env: { RUNLOOM_MODEL: 'openai:fake', OPENAI_BASE_URL: provider.url } }),
)
