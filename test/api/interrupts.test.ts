// Human in the loop: questions and breakpoints, answered by id, strictly where asked, never passed over unnoticed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Checkpoint, Client } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { collect, eventually, status } from './harness.ts'

interface Question {
  id: string
  value: unknown
}

forEachServer('human in the loop', server => {
  async function asked(graph: string, input: Record<string, unknown> = {}) {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const values = await client.runs.wait(thread_id, graph, { input })
    return { thread_id, questions: (values as { __interrupt__: Question[] }).__interrupt__ }
  }

  /** Posts a run as it is, so that fields can be sent that the SDK does not know. */
  async function post(thread_id: string, body: Record<string, unknown>, path = 'wait') {
    const { url, fetch } = server()
    return fetch(`${url}/threads/${thread_id}/runs/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  }

  async function openOn(client: Client, thread_id: string) {
    const { status, interrupts } = await client.threads.get(thread_id)
    return { status, values: Object.values(interrupts).flatMap(open => open.map(({ value }) => value)) }
  }

  test('of two questions the one that is answered goes, the other stays listed on thread and state', async () => {
    const { client, other } = server()
    const { thread_id, questions } = await asked('ask_both')
    const left = questions.find(({ value }) => value === 'left?') as Question
    await client.runs.wait(thread_id, 'ask_both', { command: { resume: { [left.id]: 'yes' } } })
    assert.deepEqual(await openOn(other, thread_id), { status: 'interrupted', values: ['right?'] })
    const found = await client.threads.search({ ids: [thread_id], status: 'interrupted' })
    assert.equal(Object.values(found[0]?.interrupts ?? {}).flat().length, 1)
  })

  test('both are shown to every reader of updates and values, joined or not', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const run = await client.runs.create(thread_id, 'ask_both', { input: {}, streamMode: ['updates', 'values'] })
    const shown = await collect(other.runs.joinStream(thread_id, run.run_id))
    for (const mode of ['updates', 'values']) {
      const open = shown.flatMap(({ event, data }) => {
        const { __interrupt__ = [] } = (data ?? {}) as { __interrupt__?: Question[] }
        return event === mode ? __interrupt__ : []
      })
      assert.deepEqual(open.map(({ value }) => value).sort(), ['left?', 'right?'], mode)
    }
  })

  test('a question from within a subgraph is answered by its id', async () => {
    const { client } = server()
    const { thread_id, questions } = await asked('ask-inside')
    const [question] = questions as [Question]
    const command = { resume: { [question.id]: 'from outside' } }
    assert.deepEqual(await client.runs.wait(thread_id, 'ask-inside', { command }), { answers: ['from outside'] })
  })

  test('an answer may change the state and send the run on, in the same step', async () => {
    const { client } = server()
    const { thread_id } = await asked('ask-inside')
    const command = { resume: 'yes', update: { answers: ['noted'] } }
    const values = await client.runs.wait(thread_id, 'ask-inside', { command })
    assert.deepEqual(values, { answers: ['noted', 'yes'] })
  })

  test('breakpoints stop before and after nodes, at every step with "*", and ask nothing', async () => {
    const { client } = server()
    for (const where of ['interruptBefore', 'interruptAfter'] as const) {
      const { thread_id } = await client.threads.create()
      const seen: number[] = []
      for (let input: { count: number } | null = { count: 2 }; ; input = null) {
        const values = await client.runs.wait(thread_id, 'steps', { input, [where]: '*' })
        assert.ok(!('__interrupt__' in values))
        seen.push((values as { log: string[] }).log.length)
        const { status, interrupts } = await client.threads.get(thread_id)
        assert.deepEqual(interrupts, {})
        if (status === 'idle') break
        assert.deepEqual((await client.threads.getState(thread_id)).next, ['step'])
      }
      assert.deepEqual(seen, where === 'interruptBefore' ? [0, 1, 2] : [1, 2])
    }
  })

  test('a new input at a breakpoint starts anew: nobody was asked anything', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'steps', { input: { count: 1 }, interruptBefore: ['step'] })
    const values = await client.runs.wait(thread_id, 'steps', { input: { count: 1 } })
    assert.deepEqual((values as { log: string[] }).log, ['step 0'])
  })

  test('strict_resume refuses an answer that nobody waits for, and the question stays open', async () => {
    const { client } = server()
    const { thread_id, questions } = await asked('ask_both')
    const ids = questions.map(({ id }) => id).sort()
    const refused = async (resume: unknown) => {
      const body = { assistant_id: 'ask_both', command: { resume }, strict_resume: true }
      const { __error__ } = (await (await post(thread_id, body)).json()) as { __error__: Record<string, string[]> }
      const { error, reason, interrupt_ids, pending_ids } = __error__
      assert.equal(error, 'UnknownInterruptError')
      assert.deepEqual(pending_ids?.sort(), ids)
      assert.equal((await client.runs.list(thread_id))[0]?.status, 'error')
      assert.deepEqual((await openOn(client, thread_id)).values.sort(), ['left?', 'right?'])
      return { reason, interrupt_ids }
    }
    const unknown = '0'.repeat(32)
    const not_pending = { reason: 'not_pending', interrupt_ids: [unknown] }
    assert.deepEqual(await refused({ [unknown]: 'x' }), not_pending)
    assert.deepEqual(await refused({ [unknown]: 'x', [ids[0] as string]: 'y' }), not_pending)
    assert.deepEqual(await refused('one for both'), { reason: 'ambiguous', interrupt_ids: [] })
    assert.deepEqual(await refused({}), { reason: 'empty_map', interrupt_ids: [] })
    for (const id of ids) {
      const body = { assistant_id: 'ask_both', command: { resume: { [id]: 'ok' } }, strict_resume: true }
      await (await post(thread_id, body)).text()
    }
    assert.deepEqual((await client.threads.getState(thread_id)).values, { answers: ['left ok', 'right ok'] })
    const again = {
      assistant_id: 'ask_both',
      command: { resume: { [ids[0] as string]: 'twice' } },
      strict_resume: true,
    }
    const { __error__ } = (await (await post(thread_id, again)).json()) as { __error__: Record<string, unknown> }
    assert.deepEqual([__error__.reason, __error__.pending_ids], ['not_pending', []])
    assert.deepEqual((await client.threads.getState(thread_id)).values, { answers: ['left ok', 'right ok'] })
  })

  test('a new message on a thread that waits for an answer is 409, names the question and takes nothing away', async () => {
    const { client, other } = server()
    const { thread_id, questions } = await asked('ask-inside')
    const input = { answers: ['something else'] }
    await assert.rejects(other.runs.wait(thread_id, 'ask-inside', { input }), status(409, /resume/))
    const body = (await (await post(thread_id, { assistant_id: 'ask-inside', input })).json()) as Record<string, object>
    assert.deepEqual(Object.values(body.interrupts ?? {}).flat(), questions)
    assert.deepEqual(await openOn(client, thread_id), { status: 'interrupted', values: ['inside?'] })
    const values = await client.runs.wait(thread_id, 'ask-inside', { command: { resume: 'still here' } })
    assert.deepEqual(values, { answers: ['still here'] })
  })

  test('the same from a checkpoint that is the newest, as useStream sends it; an earlier one is a branch', async () => {
    const { client } = server()
    const { thread_id } = await asked('ask-inside')
    const [head, first] = await client.threads.getHistory(thread_id)
    const input = { answers: ['branch'] }
    const from = (checkpoint: Checkpoint) => client.runs.wait(thread_id, 'ask-inside', { input, checkpoint })
    await assert.rejects(from(head?.checkpoint as Checkpoint), status(409))
    for (const unnamed of [{ checkpoint: { checkpoint_id: null } }, { checkpoint_id: '' }]) {
      assert.equal((await post(thread_id, { assistant_id: 'ask-inside', input, ...unnamed })).status, 409)
    }
    const values = await from(first?.checkpoint as Checkpoint)
    assert.deepEqual((values as { answers: string[] }).answers, ['branch'])
  })

  test('on_pending_interrupt says what the message is instead: the answer, one more fact, or the end of the question', async () => {
    const { client } = server()
    const send = async (graph: string, thread_id: string, on_pending_interrupt: string, input: unknown) =>
      (await post(thread_id, { assistant_id: graph, input, on_pending_interrupt })).json()
    const answered = await asked('ask-inside')
    assert.deepEqual(await send('ask-inside', answered.thread_id, 'answer', 'yes'), { answers: ['yes'] })

    const kept = await asked('ask_both')
    const still = await send('ask_both', kept.thread_id, 'keep', { answers: ['by the way'] })
    assert.deepEqual(still.answers, ['by the way'])
    const { values } = await openOn(client, kept.thread_id)
    assert.deepEqual(values.sort(), ['left?', 'right?'])

    const discarded = await asked('ask')
    await client.runs.wait(discarded.thread_id, 'ask', { command: { resume: 'first' } })
    const anew = await send('ask', discarded.thread_id, 'discard', { answers: ['anew'] })
    assert.deepEqual([anew.answers, anew.__interrupt__[0].value], [['anew'], { question: 'first?' }])

    const several = await asked('ask_both')
    const body = { assistant_id: 'ask_both', input: 'both', on_pending_interrupt: 'answer' }
    const refused = await post(several.thread_id, body)
    assert.equal(refused.status, 409)
    assert.match(await refused.text(), /several interrupts/)
  })

  test('a message that was queued before the question was asked fails, and the question stays open', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.create(thread_id, 'ask-inside', { input: {}, afterSeconds: 1 })
    const queued = await other.runs.create(thread_id, 'ask-inside', { input: { answers: ['queued'] }, afterSeconds: 1 })
    await eventually(async () => assert.equal((await client.runs.get(thread_id, queued.run_id)).status, 'error'))
    const shown = await collect(client.runs.joinStream(thread_id, queued.run_id))
    const { error, pending_ids } = { ...shown.at(-1) }.data as { error: string; pending_ids: string[] }
    assert.deepEqual([error, pending_ids.length], ['PendingInterruptError', 1])
    assert.deepEqual(await openOn(client, thread_id), { status: 'interrupted', values: ['inside?'] })
    const values = await client.runs.wait(thread_id, 'ask-inside', { command: { resume: 'yes' } })
    assert.deepEqual(values, { answers: ['yes'] })
  })
})
