// A short chaos of a fixed seed; `npm run chaos` is the long one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from './chaos.ts'

for (const [database, processes, kills] of [
  ['sqlite', 1, 8],
  ['postgres', 2, 6],
  ['postgres', 3, 6],
] as const) {
  test(`chaos on ${database} with ${processes} process${processes > 1 ? 'es' : ''}`, async t => {
    const report = await chaos({ seed: 1, kills, database, processes, log: line => t.diagnostic(line) })
    assert.deepEqual(report.violations, [])
    assert.ok(report.jobs > 0 && report.kills >= kills)
  })
}
