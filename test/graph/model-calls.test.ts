// Who a model call is counted for, where nobody says so with a tag.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAgent, createMiddleware, tool } from 'langchain'
import { z } from 'zod'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { ModelCalls } from '../../src/graph/model-calls.ts'

const model = () => new OfflineModel({ delay_ms: 0 })

test('an agent in a tool is a subagent, a title a middleware’s, the rest the agent’s own', async () => {
  const below = leadAgent({ model: model() })
  const calculate = tool(
    async () => {
      const { messages } = await below.invoke({ messages: [{ role: 'user', content: 'hello' }] })
      return messages.at(-1)?.text ?? ''
    },
    { name: 'calculate', description: 'asks another agent', schema: z.object({ expression: z.string() }) },
  )
  const title = createMiddleware({
    name: 'Title',
    beforeModel: async ({ messages }) => {
      if (messages.length > 1) await model().invoke('a title')
      return undefined
    },
  })
  const agent = createAgent({ model: model(), tools: [calculate], middleware: [title] })
  const callers: unknown[] = []
  const calls = new ModelCalls({ thread_id: 't', run_id: 'r' }, ([bulk]) => {
    callers.push(
      ...(bulk?.rows ?? []).map(({ caller, model, total_tokens }) => [caller, model, Number(total_tokens) > 0]),
    )
  })
  await agent.invoke({ messages: [{ role: 'user', content: 'what is 3*4?' }] }, { callbacks: [calls] })
  const order = ['lead_agent', 'subagent', 'middleware', 'lead_agent']
  assert.deepEqual(
    callers,
    order.map(caller => [caller, 'offline', true]),
  )
})
