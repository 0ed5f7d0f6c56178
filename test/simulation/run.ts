// Plays random rounds and stops at the first violation:
//
//   npx node test/simulation/run.ts [--seconds 60] [--seed N] [--postgres]
//   npx node test/simulation/run.ts --replay N [--postgres]       one round, with its steps
//
// Rounds are numbered from the seed on, so a violation is replayed by the number that is printed with it.
import { parseArgs } from 'node:util'
import { createDatabase, dropDatabase, postgresServer } from '../support/postgres.ts'
import { openPostgresStore } from './postgres-store.ts'
import { ReadCommitted } from './read-committed.ts'
import { playRound, type Round, report } from './round.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    postgres: { type: 'boolean', default: false },
  },
})
const first = Number(values.replay ?? values.seed ?? Date.now() % 1_000_000_000)
const url = values.postgres ? await createDatabase() : undefined
const store = url ? await openPostgresStore(url) : new ReadCommitted()
const total = { rounds: 0, steps: 0, commits: 0, switches: 0 }
const started = performance.now()
let round: Round | undefined

do {
  round = await playRound(store, first + total.rounds)
  total.rounds++
  total.steps += round.steps
  total.commits += round.commits
  total.switches += round.switches
} while (!round.failure && !values.replay && performance.now() - started < Number(values.seconds) * 1000)

const seconds = (performance.now() - started) / 1000
if (values.replay) console.log(round.trace.join('\n'))
console.log(`${JSON.stringify(total)} in ${seconds.toFixed(1)} s, ${Math.round(total.steps / seconds)} steps a second`)
if (round.failure) console.log(report(round))
await store.close()
if (url) {
  await dropDatabase(url)
  await (await postgresServer()).stop()
}
process.exitCode = round.failure ? 1 : 0
