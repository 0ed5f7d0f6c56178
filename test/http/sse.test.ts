import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventualJson } from '../../src/http/sse.ts'

test('a response that is dropped unread does not keep the process', async () => {
  const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  const before = timers()
  eventualJson(Promise.resolve('1'), { heartbeat_ms: 60_000, onGone: () => {} })
  assert.equal(timers(), before)
})
