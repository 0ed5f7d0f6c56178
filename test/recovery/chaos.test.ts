// One round of chaos in each form of deployment; `npm run chaos` is the long one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from './chaos.ts'

for (const [database, processes] of [
  ['sqlite', 1],
  ['postgres', 2],
  ['postgres', 3],
] as const) {
  const name = `chaos on ${database} with ${processes} process${processes > 1 ? 'es' : ''}`
  test(name, async t => {
    const log = (line: string) => t.diagnostic(line)
    const short = { kills: Number.POSITIVE_INFINITY, rounds: 1, clients: 3, faults_a_round: 3 }
    const report = await chaos({ ...short, seed: 1, database, processes, log })
    assert.deepEqual(report.violations, [])
    assert.ok(report.jobs > 0 && report.kills > 0)
  })
}
