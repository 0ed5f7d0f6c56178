import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUuid, newId } from '../../src/core/ids.ts'

test('new ids are in the order in which they were made, in one millisecond, too, and when the clock goes back', t => {
  const now = Date.now()
  const times = [now, now + 1, now, now - 60_000]
  const ids: string[] = []
  for (const time of times) {
    t.mock.method(Date, 'now', () => time)
    for (let index = 0; index < 5_000; index++) ids.push(newId())
  }
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.ok(isUuid(id) && /^.{14}7.{4}[89ab]/.test(id), id)
})
