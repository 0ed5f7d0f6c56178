// The run, lease and event-log core under a seeded scheduler, with faults between any two statements: fixed rounds here,
// random ones with `npx node test/simulation/run.ts`. What is checked is in invariants.ts; what violations there were, in
// cases.test.ts.
//
// The transitions are the real ones, in the model (read-committed.ts) and on Postgres. The processes and clients around
// them are scripts (process.ts, clients.ts) that speak the worker's protocol; the Worker, the EventLog and the Bus
// themselves, retention and the restart of a SQLite server belong to test/core, test/events and test/recovery.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { playRound, type Round, report } from './round.ts'
import { forEachStore } from './stores.ts'

const ROUNDS = { model: 250, postgres: 25 }

forEachStore('a simulation', (store, kind) => {
  test(`${ROUNDS[kind]} rounds without a violation`, async context => {
    const total = { steps: 0, switches: 0 }
    const started = performance.now()
    for (let seed = 1; seed <= ROUNDS[kind]; seed++) {
      const round = await playRound(store(), seed)
      if (round.failure) assert.fail(report(round))
      total.steps += round.steps
      total.switches += round.switches
    }
    const rate = Math.round((total.steps / (performance.now() - started)) * 1000)
    context.diagnostic(`${total.steps} steps, ${rate} a second, ${total.switches} switches inside transactions`)
  })
})

forEachStore('a round', (store, kind) => {
  // On Postgres a deadlock's victim is its own choice, so there a round is only nearly the same.
  if (kind !== 'postgres') {
    test('is the same each time it is played', async () => {
      const play = async (seed: number): Promise<Round> => playRound(store(), seed)
      for (const seed of [7, 77]) assert.deepEqual((await play(seed)).trace, (await play(seed)).trace)
    })
  }

  test('ends with its last run', async () => {
    const { failure, commits, steps } = await playRound(store(), 3)
    assert.equal(failure, undefined)
    assert.ok(commits > 10 && steps > commits)
  })
})
