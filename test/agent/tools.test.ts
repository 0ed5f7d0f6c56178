import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calculate, currentTime, timeIn } from '../../src/agent/tools.ts'

const SUMMER = new Date('2026-07-01T12:00:05.678Z')

test('a time carries the offset and the name of its zone', () => {
  assert.equal(timeIn('UTC', SUMMER), '2026-07-01T12:00:05+00:00[UTC]')
  assert.equal(timeIn('Europe/Berlin', SUMMER), '2026-07-01T14:00:05+02:00[Europe/Berlin]')
  assert.equal(timeIn('America/New_York', SUMMER), '2026-07-01T08:00:05-04:00[America/New_York]')
  assert.equal(timeIn('Asia/Kolkata', SUMMER), '2026-07-01T17:30:05+05:30[Asia/Kolkata]')
})

test('an unknown zone is named, with the remedy', () => {
  assert.throws(() => timeIn('Mars/Olympus', SUMMER), {
    message: 'Unknown time zone "Mars/Olympus": use an IANA name such as Europe/Berlin, or UTC.',
  })
})

test('current_time defaults to UTC', async () => {
  assert.match(String(await currentTime.invoke({})), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\[UTC\]$/)
})

test('calculate answers in text and refuses an overlong expression', async () => {
  assert.equal(await calculate.invoke({ expression: '(2 + 3) * 4' }), '20')
  await assert.rejects(calculate.invoke({ expression: '('.repeat(501) }), /500/)
})
