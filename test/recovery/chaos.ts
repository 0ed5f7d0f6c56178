// Chaos in rounds: clients work while processes die, then all is quiet and every invariant is checked. The same seed makes
// the same decisions; the moments in which they meet are the machine's.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../simulation/random.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { Cluster } from './cluster.ts'
import { disturb } from './faults.ts'
import { checkEffects, checkReading, checkTables, describeRun } from './invariants.ts'
import { JOBS, type Job, type Ledger } from './jobs.ts'
import { Recoveries } from './recoveries.ts'

export interface ChaosOptions {
  seed: number
  kills: number
  database: 'sqlite' | 'postgres'
  processes: number
  /** Clients at work at the same time. */
  clients?: number
  /** Only these kinds of jobs, and only these faults. */
  only?: string[]
  faults?: string[]
  /** How often a round is disturbed. */
  faults_a_round?: number
  /** Whatever has been killed by then, this many rounds are enough. */
  rounds?: number
  /** Ends it after the round under way. */
  signal?: AbortSignal
  log: (line: string) => void
}

export interface ChaosReport {
  kills: number
  rounds: number
  jobs: number
  losses: number
  faults: Record<string, number>
  violations: string[]
  recoveries: Recoveries
}

/** Rounds on one database; then a fresh one, so that the checks stay quick. */
const ROUNDS_A_DATABASE = 12
const FAULTS_A_ROUND = 5
/** How long what is in flight may take once all is quiet. */
const QUIET_MS = 60_000

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, database, processes, kills, log } = options
  const report: ChaosReport = {
    kills: 0,
    rounds: 0,
    jobs: 0,
    losses: 0,
    faults: {},
    violations: [],
    recoveries: new Recoveries(),
  }
  const most = options.rounds ?? Number.POSITIVE_INFINITY
  const enough = () => report.kills >= kills || report.rounds >= most || options.signal?.aborted === true
  while (!enough() && report.violations.length === 0) {
    const folder = mkdtempSync(join(tmpdir(), 'runloom-chaos-'))
    const url = database === 'sqlite' ? `sqlite:${join(folder, 'runloom.db')}` : await createDatabase()
    const effects = join(folder, 'effects')
    writeFileSync(effects, '')
    const cluster = new Cluster(url, processes, { CHAOS_EFFECTS: effects })
    try {
      for (let count = 0; count < ROUNDS_A_DATABASE && !enough(); count++) {
        report.rounds++
        const round = new Round(cluster, effects, options, report)
        await round.play(new Random(seed * 1_000_003 + report.rounds))
        if (report.violations.length > 0) {
          log(`Violation: seed ${seed}, round ${report.rounds}, ${database}, ${processes} processes, ${url}`)
          for (const violation of report.violations) log(violation)
          log(cluster.logs())
          break
        }
      }
      await report.recoveries.read(cluster)
    } finally {
      await cluster.close()
      if (report.violations.length === 0) {
        rmSync(folder, { recursive: true, force: true })
        if (database === 'postgres') await dropDatabase(url)
      }
    }
  }
  return report
}

class Round {
  readonly #cluster: Cluster
  readonly #effects: string
  readonly #options: ChaosOptions
  readonly #report: ChaosReport
  readonly #ledger: Ledger = { readers: [], succeeded: [], erased: [], keys: new Map() }
  readonly #found: string[] = []
  readonly #working = new Map<Job, string>()
  #quiet = false

  constructor(cluster: Cluster, effects: string, options: ChaosOptions, report: ChaosReport) {
    this.#cluster = cluster
    this.#effects = effects
    this.#options = options
    this.#report = report
  }

  async play(random: Random) {
    const started = performance.now()
    const before = { ...this.#report }
    const clients = Promise.all(
      Array.from({ length: this.#options.clients ?? 6 }, (_, index) =>
        this.#client(`${this.#report.rounds}.${index}`, new Random(random.between(0, 2 ** 31))),
      ),
    )
    await this.#cluster.ensureUp()
    const { faults, faults_a_round = FAULTS_A_ROUND } = this.#options
    for (let count = 0; count < faults_a_round; count++) {
      const { fault, kills } = await disturb(this.#cluster, random, faults)
      this.#report.kills += kills
      this.#report.faults[fault] = (this.#report.faults[fault] ?? 0) + 1
      await sleep(random.between(0, 400))
    }
    this.#quiet = true
    await this.#cluster.ensureUp()
    const finished = await Promise.race([clients.then(() => true), sleep(QUIET_MS, false, { ref: false })])
    if (!finished) {
      for (const [job, kind] of this.#working) this.#found.push(await this.#describe(`is stuck: ${kind}`, job))
    }
    if (this.#found.length === 0) await this.#check(random)
    for (const surprise of this.#cluster.surprises.splice(0)) this.#found.push(surprise)
    this.#report.violations.push(...this.#found)
    for (const reader of this.#ledger.readers) this.#report.losses += reader.losses
    const { rounds, kills, jobs } = this.#report
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    this.#options.log(
      `round ${rounds}: ${jobs - before.jobs} jobs, ${kills - before.kills} kills, ${seconds} s; ${kills} kills so far`,
    )
  }

  /** One client: a job after the other until all is quiet. */
  async #client(name: string, random: Random) {
    const kinds = Object.keys(JOBS) as (keyof typeof JOBS)[]
    const allowed = kinds.filter(kind => this.#options.only?.includes(kind) ?? true)
    for (let count = 0; !this.#quiet; count++) {
      const kind = random.pick(allowed)
      const job: Job = {
        name: `j${name}.${count}`,
        cluster: this.#cluster,
        random: new Random(random.between(0, 2 ** 31)),
        ledger: this.#ledger,
        runs: [],
      }
      this.#working.set(job, kind)
      this.#report.jobs++
      try {
        await JOBS[kind](job)
      } catch (error) {
        this.#found.push(await this.#describe(`${kind}: ${(error as Error).stack}`, job))
        this.#quiet = true
      }
      this.#working.delete(job)
    }
  }

  async #check(random: Random) {
    // Hints and the last commits of processes that were just told something.
    for (let tries = 0; ; tries++) {
      const found = await checkTables(this.#cluster.database_url, this.#ledger)
      if (found.length > 0 && tries < 20) {
        await sleep(100)
        continue
      }
      this.#found.push(...found)
      break
    }
    this.#found.push(...(await checkReading(this.#cluster, random, this.#ledger)))
    this.#found.push(...(await checkEffects(this.#cluster.database_url, this.#effects, this.#ledger)))
    for (const text of [...this.#found]) {
      const run_id = /runs\/([0-9a-f-]{36})|"run_id":"([0-9a-f-]{36})"/.exec(text)
      if (run_id) this.#found.push(await describeRun(this.#cluster.database_url, (run_id[1] ?? run_id[2]) as string))
    }
  }

  async #describe(what: string, { name, runs }: Job): Promise<string> {
    const { database_url } = this.#cluster
    const rows = await Promise.all(runs.map(run => describeRun(database_url, run.split('/').at(-1) as string)))
    return `job ${name} ${what}\n${rows.join('\n')}`
  }
}

/** Prints, and keeps what was printed where CHAOS_LOG says. */
export function printing(print: (line: string) => void): (line: string) => void {
  return line => {
    print(line)
    if (process.env.CHAOS_LOG) appendFileSync(process.env.CHAOS_LOG, `${line}\n`)
  }
}
