// Feedback on runs over HTTP (contracts: gateway §1.9).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { say } from './harness.ts'

interface Feedback {
  feedback_id: string
  rating: number
  comment: string | null
  message_id: string | null
}

forEachServer('feedback', server => {
  const call = async <T>(method: string, path: string, body?: unknown, status = 200): Promise<T> => {
    const { url, fetch } = server()
    const response = await fetch(`${url}/api${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    assert.equal(response.status, status, text)
    return JSON.parse(text) as T
  }
  const newRun = async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'echo', { input: say('hi') })
    await client.runs.join(thread_id, run_id)
    return { thread_id, run_id, path: `/threads/${thread_id}/runs/${run_id}/feedback` }
  }

  test('is given, changed, listed, counted and taken back', async () => {
    const { thread_id, run_id, path } = await newRun()
    assert.deepEqual(await call('GET', path), [])
    assert.deepEqual(await call('GET', `${path}/stats`), { run_id, total: 0, positive: 0, negative: 0 })
    const given = await call<Feedback>('POST', path, { rating: 1, comment: 'good', message_id: 'm1' })
    const { feedback_id, created_at, ...rest } = given as Feedback & { created_at: string }
    assert.ok(!Number.isNaN(Date.parse(created_at)))
    assert.deepEqual(rest, { run_id, thread_id, user_id: 'default', message_id: 'm1', rating: 1, comment: 'good' })
    await call('POST', path, { rating: 1 }, 409)
    const changed = await call<Feedback>('PUT', path, { rating: -1 })
    assert.deepEqual([changed.feedback_id, changed.rating, changed.comment], [feedback_id, -1, null])
    assert.deepEqual(await call('GET', path), [changed])
    assert.deepEqual(await call('GET', `/runs/${run_id}/feedback`), [changed])
    assert.deepEqual(await call('GET', `${path}/stats`), { run_id, total: 1, positive: 0, negative: 1 })
    assert.deepEqual(await call('DELETE', path), { success: true })
    await call('DELETE', path, undefined, 404)
    const again = await call<Feedback>('PUT', path, { rating: 1 })
    await call('DELETE', `${path}/${crypto.randomUUID()}`, undefined, 404)
    assert.deepEqual(await call('DELETE', `${path}/${again.feedback_id}`), { success: true })
    assert.deepEqual(await call('GET', path), [])
  })

  test('a rating is 1 or -1; the run is one of the thread', async () => {
    const { run_id, path } = await newRun()
    for (const rating of [0, 2, 1.5, '1', null, undefined]) {
      const { detail } = await call<{ detail: string }>('PUT', path, { rating }, 400)
      assert.match(detail, /^rating:/)
    }
    const other = await newRun()
    const wrong = `/threads/${other.thread_id}/runs/${run_id}/feedback`
    for (const method of ['GET', 'DELETE']) await call(method, wrong, undefined, 404)
    for (const method of ['PUT', 'POST']) await call(method, wrong, { rating: 1 }, 404)
    await call('GET', `/runs/${crypto.randomUUID()}/feedback`, undefined, 404)
  })

  test('two who rate at once leave one rating; it goes with its run', async () => {
    const { client } = server()
    const { thread_id, run_id, path } = await newRun()
    await Promise.all([1, -1, 1, -1].map(rating => call('PUT', path, { rating })))
    assert.equal((await call<Feedback[]>('GET', path)).length, 1)
    await client.runs.delete(thread_id, run_id)
    await call('GET', path, undefined, 404)
  })
})
