// `npm run chaos -- --kills 1000 --seed 1 [--database sqlite|postgres] [--processes 1..3] [--rounds n] [--clients n]
// [--only job] [--faults fault]`: real servers, killed while clients work, checked after every round (test/recovery/).
// Exit code 1 at the first violation, with what is needed to look at it; its database is kept.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chaos, printing } from '../test/recovery/chaos.ts'
import { postgresServer } from '../test/support/postgres.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    database: { type: 'string', default: 'sqlite' },
    processes: { type: 'string' },
    clients: { type: 'string', default: '6' },
    rounds: { type: 'string' },
    only: { type: 'string', multiple: true },
    faults: { type: 'string', multiple: true },
  },
})

const log = printing(line => console.log(line))
const database = values.database === 'postgres' ? 'postgres' : 'sqlite'
const processes = database === 'sqlite' ? 1 : Number(values.processes ?? 2)
const seed = Number(values.seed)
log(`chaos: seed ${seed}, ${values.kills} kills, ${database}, ${processes} process${processes === 1 ? '' : 'es'}`)
const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort())
const report = await chaos({
  signal: interrupted.signal,
  seed,
  kills: Number(values.kills),
  database,
  processes,
  clients: Number(values.clients),
  ...(values.only && { only: values.only }),
  ...(values.faults && { faults: values.faults }),
  ...(values.rounds && { rounds: Number(values.rounds) }),
  log,
})
const { violations, kills, rounds, jobs, losses, faults, recoveries } = report
log(`${kills} kills in ${rounds} rounds, ${jobs} jobs, ${losses} connections of readers lost`)
log(
  `faults: ${Object.entries(faults)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')}`,
)
log(recoveries.describe())
log(violations.length === 0 ? 'no violation' : `${violations.length} violations`)
// On a violation Postgres stays with this process: the database can be looked at for an hour, or until it is killed.
if (violations.length > 0 && database === 'postgres' && process.stdout.isTTY) await sleep(3_600_000)
if (database === 'postgres') await (await postgresServer()).stop()
process.exit(violations.length === 0 ? 0 : 1)
