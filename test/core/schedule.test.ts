// When schedules come next: fields, time zones, and the two days a year whose clocks are changed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nextDate } from '../../src/core/schedule.ts'

function next(schedule: string, timezone: string | null, after: string, count = 1): string[] {
  const dates: string[] = []
  for (let date: string | null = after; dates.length < count; dates.push(date)) {
    date = nextDate({ schedule, timezone, end_time: null }, date)
    if (date === null) break
  }
  return dates.map(date => date.replace(':00.000Z', 'Z'))
}

test('five fields, or six with the seconds first, in UTC without a zone', () => {
  assert.deepEqual(next('27 15 * * *', null, '2026-11-20T12:00:00Z'), ['2026-11-20T15:27Z'])
  assert.deepEqual(next('*/15 * * * * *', null, '2026-11-20T12:00:01Z'), ['2026-11-20T12:00:15.000Z'])
  assert.deepEqual(next('@daily', null, '2026-11-20T12:00:00Z'), ['2026-11-21T00:00Z'])
  assert.deepEqual(next('0 9 * * MON-FRI', 'Asia/Tokyo', '2026-11-20T12:00:00Z'), ['2026-11-23T00:00Z'])
})

test('a date that is due is not its own next', () => {
  assert.deepEqual(next('0 12 * * *', null, '2026-11-20T12:00:00.000Z'), ['2026-11-21T12:00Z'])
  assert.deepEqual(next('0 12 * * *', null, '2026-11-20T12:00:00.003Z'), ['2026-11-21T12:00Z'])
})

describe('when the clocks go forward', () => {
  test('a time of day that is skipped comes right after the gap, once', () => {
    const berlin = next('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)
    assert.deepEqual(berlin, ['2026-03-29T01:00Z', '2026-03-30T00:30Z'])
    const newYork = next('30 2 * * *', 'America/New_York', '2026-03-07T12:00:00Z', 2)
    assert.deepEqual(newYork, ['2026-03-08T07:00Z', '2026-03-09T06:30Z'])
  })

  test('what comes every half hour goes on', () => {
    const dates = next('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:15:00Z', 3)
    assert.deepEqual(dates, ['2026-03-29T00:30Z', '2026-03-29T01:00Z', '2026-03-29T01:30Z'])
  })
})

describe('when the clocks go back', () => {
  test('a time of day that is repeated comes once', () => {
    const berlin = next('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)
    assert.deepEqual(berlin, ['2026-10-25T00:30Z', '2026-10-26T01:30Z'])
    const newYork = next('30 1 * * *', 'America/New_York', '2026-10-31T12:00:00Z', 2)
    assert.deepEqual(newYork, ['2026-11-01T05:30Z', '2026-11-02T06:30Z'])
  })

  test('what comes every hour comes in both hours', () => {
    const dates = next('15 * * * *', 'America/New_York', '2026-11-01T04:30:00Z', 3)
    assert.deepEqual(dates, ['2026-11-01T05:15Z', '2026-11-01T06:15Z', '2026-11-01T07:15Z'])
  })
})

test('noon stays noon on both sides of a change', () => {
  const dates = next('0 12 * * *', 'America/New_York', '2026-10-31T00:00:00Z', 2)
  assert.deepEqual(dates, ['2026-10-31T16:00Z', '2026-11-01T17:00Z'])
})

test('there is none after the end, and none that never comes', () => {
  const schedule = { schedule: '0 12 * * *', timezone: null, end_time: '2026-11-20T12:00:00.000Z' }
  assert.equal(nextDate(schedule, '2026-11-20T11:00:00Z'), '2026-11-20T12:00:00.000Z')
  assert.equal(nextDate(schedule, '2026-11-20T12:00:00Z'), null)
  assert.equal(nextDate({ schedule: '0 0 30 2 *', timezone: null, end_time: null }, '2026-11-20T12:00:00Z'), null)
})

test('what makes no sense is invalid, and the field is named', () => {
  const schedules = ['', '* * * *', '61 * * * *', 'a b c d e', '* * * * * * 2026', '@reboot', '2026-01-01T00:00:00']
  for (const schedule of schedules) {
    const act = () => next(schedule, null, '2026-01-01T00:00:00Z')
    assert.throws(act, { name: 'RunloomError', code: 'invalid', message: /^schedule: / }, schedule)
  }
  for (const timezone of ['Mars/Olympus', '+02:00', '']) {
    const act = () => next('* * * * *', timezone, '2026-01-01T00:00:00Z')
    assert.throws(act, { name: 'RunloomError', code: 'invalid', message: /^timezone: / }, timezone)
  }
})
