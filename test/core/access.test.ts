// Filters of authorisation handlers (contracts: langgraph §13): what they match, in both databases, and which are refused.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readFilter } from '../../src/core/access.ts'
import { newId } from '../../src/core/ids.ts'
import { batchItems } from '../../src/core/items.ts'
import { commitState } from '../../src/core/states.ts'
import { createThread, getThread } from '../../src/core/threads.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type Core, create, openCore } from './harness.ts'

const CASES: [metadata: object, filter: object, matches: boolean][] = [
  [{ owner: 'a' }, {}, true],
  [{ owner: 'a' }, { owner: 'a' }, true],
  [{ owner: 'a' }, { owner: 'b' }, false],
  [{}, { owner: 'a' }, false],
  [{ owner: ['a'] }, { owner: 'a' }, false],
  [{ owner: { name: 'a' } }, { owner: 'a' }, false],
  [{ n: 1 }, { n: '1' }, false],
  [{ n: 1, on: true, nothing: null }, { n: 1, on: true, nothing: null }, true],
  [{}, { nothing: null }, false],
  [{ owner: 'a' }, { owner: { $eq: 'a' } }, true],
  [{ owner: 'ab' }, { owner: { $eq: 'a' } }, false],
  [{ team: ['a', 'b'] }, { team: { $contains: 'b' } }, true],
  [{ team: ['a', 'b'] }, { team: { $contains: ['b', 'a'] } }, true],
  [{ team: ['a', 'b'] }, { team: { $contains: ['b', 'c'] } }, false],
  [{ team: ['ab'] }, { team: { $contains: 'a' } }, false],
  [{ team: 'a' }, { team: { $contains: 'a' } }, false],
  [{ team: [['a']] }, { team: { $contains: 'a' } }, false],
  [{}, { team: { $contains: [] } }, false],
  [{ owner: 'a', team: ['x'] }, { owner: 'a', team: { $contains: 'y' } }, false],
  [{ owner: 'b', team: ['x'] }, { $or: [{ owner: 'a' }, { team: { $contains: 'x' } }] }, true],
  [{ owner: 'b', team: ['y'] }, { $or: [{ owner: 'a' }, { team: { $contains: 'x' } }] }, false],
  [{ owner: 'a', on: false }, { on: true, $or: [{ owner: 'a' }, { owner: 'b' }] }, false],
  [{ a: 1, b: 2, c: 3 }, { $and: [{ a: 1 }, { $or: [{ b: 3 }, { c: 3 }] }] }, true],
  [{ a: 1, b: 2, c: 4 }, { $and: [{ a: 1 }, { $or: [{ b: 3 }, { c: 3 }] }] }, false],
  [{ 'o\'b\\"': "'; drop table threads; --" }, { 'o\'b\\"': "'; drop table threads; --" }, true],
]

const ITEMS: [filter: object, matches: boolean][] = [
  [{ owner: 'a' }, true],
  [{ owner: 'b' }, false],
  [{ key: 'k' }, true],
  [{ key: 'other' }, false],
  [{ key: { $contains: 'k' } }, false],
  [{ namespace: { $contains: 'users' } }, true],
  [{ namespace: { $contains: ['x%', 'users'] } }, true],
  [{ namespace: { $contains: 'user' } }, false],
  [{ namespace: { $contains: 'users.x%' } }, false],
  [{ namespace: { $contains: 'x_' } }, false],
  [{ namespace: 'users' }, false],
  [{ $or: [{ owner: 'b' }, { namespace: { $contains: 'users' } }] }, true],
]

forEachDatabase('filters', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())

  for (const [metadata, filter, matches] of CASES) {
    test(`${JSON.stringify(metadata)} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(filter)}`, async () => {
      const thread_id = newId()
      const thread = { thread_id, metadata: JSON.stringify(metadata), hidden: 0, if_exists: 'raise' } as const
      await core.db.run(createThread, thread)
      const found = core.db.run(getThread, { thread_id, allowed: readFilter(filter) })
      if (matches) assert.equal((await found).thread_id, thread_id)
      else await assert.rejects(found, { code: 'not_found' })
    })
  }

  test('a run is made on a thread that is there under the filter, also where it would have made one', async () => {
    const thread_id = newId()
    await core.db.run(createThread, { thread_id, metadata: '{"owner":"a"}', hidden: 0, if_exists: 'raise' })
    const made = (owner: string, assistant_allowed = {}) =>
      create(core, {
        thread_id,
        if_not_exists: 'create',
        allowed: readFilter({ owner }),
        assistant_allowed: readFilter(assistant_allowed),
      })
    await assert.rejects(made('b'), { code: 'not_found' })
    assert.equal((await made('a')).run.thread_id, thread_id)
    assert.equal((await made('a', { nobody: 'has' })).run.thread_id, thread_id, 'g is the assistant of a graph')
  })

  test('a state that was computed is not stored on a thread that has become another’s meanwhile', async () => {
    const thread_id = newId()
    await core.db.run(createThread, { thread_id, metadata: '{"owner":"a"}', hidden: 0, if_exists: 'raise' })
    const made = { head: undefined, resting_status: 'idle', interrupts: '{}' } as const
    const commit = (owner: string) =>
      core.db.run(commitState, { ...made, sources: [], writes: [], thread_id, allowed: readFilter({ owner }) })
    await assert.rejects(commit('b'), { code: 'not_found' })
    assert.equal(await commit('a'), true)
  })

  test('of an item the namespace and the key are looked at, too', async () => {
    const name = { namespace: ['users', 'x%'], key: 'k' }
    const value = JSON.stringify({ owner: 'a', key: 'other', namespace: ['user'] })
    await core.db.run(batchItems, [{ put: { ...name, value } }])
    for (const [filter, matches] of ITEMS) {
      const [found] = await core.db.run(batchItems, [{ get: { ...name, allowed: readFilter(filter) } }])
      assert.equal(found !== null, matches, JSON.stringify(filter))
    }
  })
})

test('a filter that could be misunderstood is refused', () => {
  const refused: object[] = [
    { owner: undefined },
    { owner: { name: 'a' } },
    { owner: ['a'] },
    { owner: {} },
    { owner: { $in: ['a'] } },
    { owner: { $eq: ['a'] } },
    { owner: { $eq: undefined } },
    { owner: { $contains: undefined } },
    { owner: { $contains: [['a']] } },
    { owner: Number.NaN },
    { owner: 'a\0' },
    { 'owner\0': 'a' },
    { owner: () => 'a' },
    { owner: Symbol('a') },
    { $or: [] },
    { $or: { owner: 'a' } },
    { $or: ['owner'] },
    { $and: [] },
    { $not: { owner: 'a' } },
    [{ owner: 'a' }],
    new Map([['owner', 'a']]),
  ]
  for (const filter of refused) assert.throws(() => readFilter(filter), Error)
})
