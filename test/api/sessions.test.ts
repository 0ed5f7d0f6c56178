// Sessions over HTTP, and the runs that leave their answers in them.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { type Answer, startModels, workflowClient } from '../workflow/harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const said = (text: string) => [{ type: 'text', text }]

forEachServer(
  'sessions',
  server => {
    const client = () => workflowClient(server().url, server().fetch)
    const call = (method: string, path: string, body?: unknown, status?: number): Promise<Answer> =>
      client().call(method, `/sessions${path}`, body, status)

    test('from creation to deletion', async () => {
      const session = await call('POST', '', { metadata: { name: 'x' }, customer_id: 'c' }, 201)
      assert.deepEqual([session.metadata, session.message_count, session.customer_id], [{ name: 'x' }, 0, 'c'])
      const first = await call('POST', `/${session.id}/messages`, { role: 'user', content: said('hi') }, 201)
      assert.deepEqual([first.seq, first.role, first.content], [1, 'user', said('hi')])
      const run_id = randomUUID()
      const second = await call(
        'POST',
        `/${session.id}/messages`,
        { role: 'assistant', content: said('ho'), run_id },
        201,
      )
      assert.deepEqual([second.seq, second.run_id], [2, run_id])
      const whole = await call('GET', `/${session.id}`)
      assert.deepEqual(whole.messages, [first, second])
      assert.equal(whole.message_count, 2)
      assert.deepEqual((await call('PATCH', `/${session.id}`, { metadata: { b: 1 } })).metadata, { b: 1 })
      assert.equal((await call('POST', `/${session.id}/clear`)).message_count, 0)
      const gone = await server().fetch(`${server().url}/api/v1/sessions/${session.id}`, { method: 'DELETE' })
      assert.equal(gone.status, 204)
      assert.equal((await call('GET', `/${session.id}`, undefined, 404)).code, 'NOT_FOUND')
    })

    test('lists are pages, last used first, of one customer if asked', async () => {
      const customer_id = randomUUID()
      const ids = []
      for (let index = 0; index < 3; index++) ids.unshift((await call('POST', '', { customer_id }, 201)).id)
      const page = await call('GET', `?customer_id=${customer_id}&limit=2`)
      assert.deepEqual(
        page.sessions.map((session: Answer) => session.id),
        ids.slice(0, 2),
      )
      assert.equal(page.next_cursor, '2')
      const rest = await call('GET', `?customer_id=${customer_id}&limit=2&offset=2`)
      assert.deepEqual(
        rest.sessions.map((session: Answer) => session.id),
        ids.slice(2),
      )
      assert.equal('next_cursor' in rest, false)
    })

    test('what makes no sense is refused by name', async () => {
      assert.equal((await call('GET', '/x', undefined, 400)).code, 'INVALID_INPUT')
      assert.equal((await call('GET', '?limit=101', undefined, 400)).fields[0].field, 'limit')
      const { id } = await call('POST', '', undefined, 201)
      assert.match((await call('POST', `/${id}/messages`, { role: 'user', content: [] }, 400)).message, /^content: /)
    })

    test('a run leaves the answers among its outputs; a failed one, or a deleted session, nothing', async () => {
      const spec = (user: string) => ({
        kind: 'workflow',
        model: 'openai:test',
        nodes: [{ id: 'main', type: 'llm', input: [{ role: 'user', content: said(user), seq: 1, createdAt: 'now' }] }],
        outputs: [
          { name: 'result', from: 'main' },
          { name: 'text', from: 'main', pointer: '/output/0/content/0/text' },
        ],
      })
      const { id: session_id } = await call('POST', '', {}, 201)
      const { run_id } = await client().run({ spec: spec('say hello'), session_id })
      await client().run({ spec: spec('fail 400'), session_id })
      const { messages, created_at, updated_at } = await call('GET', `/${session_id}`)
      assert.ok(updated_at > created_at, 'the answer counts as a use')
      const [message] = messages
      assert.equal(messages.length, 1)
      assert.deepEqual([message.role, message.content, message.run_id], ['assistant', said('hello'), run_id])
      const refused = await client().create({ spec: spec('x'), session_id: randomUUID() }, 404)
      assert.match(refused.message, /^session .* not found$/)
      const key = randomUUID()
      const held = await client().create({ spec: spec(`hold ${key}`), session_id })
      await server().fetch(`${server().url}/api/v1/sessions/${session_id}`, { method: 'DELETE' })
      models.release(key)
      await Array.fromAsync(client().stream(held.run_id))
      assert.equal((await client().get(held.run_id)).status, 'succeeded')
    })
  },
  () => ({ env: models.env }),
)
