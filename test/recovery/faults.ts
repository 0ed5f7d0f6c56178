// What is done to the servers while clients work. Each fault leaves the cluster in whatever state it is in; `ensureUp`
// after the last one starts what is down.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import { type Cluster, LEASE_MS, type Member } from './cluster.ts'
import { openProbe } from './probe.ts'

interface Setting {
  cluster: Cluster
  random: Random
}

/** Each resolves with the number of processes it killed. */
const FAULTS = {
  /** SIGKILL at some moment of ordinary work, and a new process at once. */
  async kill({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    await sleep(random.between(0, 700))
    await cluster.kill(member)
    await cluster.start(member)
    return 1
  },

  /** The process kills itself at its n-th commit from now: before it, on its way, after it. */
  async die_at_commit({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    await cluster.kill(member)
    const listens = await cluster.start(member, {
      CHAOS_DIE_AT: String(random.between(1, random.chance(0.5) ? 12 : 120)),
    })
    if (listens) await Promise.race([member.server?.exited, sleep(4_000)])
    const died = member.server === undefined
    await cluster.start(member)
    return died ? 2 : 1
  },

  /** Again and again while it starts: before the schema, in the middle of recovery, as the first run is claimed. */
  async kill_starting({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    const times = random.between(1, 3)
    for (let time = 0; time < times; time++) {
      await cluster.kill(member)
      void cluster.start(member)
      await sleep(random.between(200, 1_100))
    }
    await cluster.kill(member)
    await cluster.start(member)
    return times + 1
  },

  /** SIGTERM, and SIGKILL while it stops. */
  async kill_stopping({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    void cluster.stop(member)
    await sleep(random.between(0, 250))
    await cluster.kill(member)
    await cluster.start(member)
    return 1
  },

  /** SIGTERM, as in a deployment. */
  async stop({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    const code = await cluster.stop(member)
    if (code !== 0 && code !== null) cluster.surprises.push(`${member.name} ended with ${code} after SIGTERM`)
    await cluster.start(member)
    return 0
  },

  /** All at once. */
  async kill_all({ cluster, random }: Setting) {
    await sleep(random.between(0, 400))
    await Promise.all(cluster.members.map(member => cluster.kill(member)))
    await Promise.all(cluster.members.map(member => cluster.start(member)))
    return cluster.members.length
  },

  /** Stopped for longer than its lease, then let go on as if nothing had been. */
  async freeze({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    if (!member.server) return 0
    cluster.freeze(member)
    await sleep(random.between(LEASE_MS * 0.8, LEASE_MS * 2.5))
    cluster.thaw(member)
    return 0
  },

  /** Stopped, and killed without having woken. */
  async kill_frozen({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    cluster.freeze(member)
    await sleep(random.between(0, LEASE_MS * 1.5))
    await cluster.kill(member)
    await cluster.start(member)
    return 1
  },
}

const POSTGRES_FAULTS = {
  /** Some or all of the servers' connections are cut. */
  async terminate({ cluster, random }: Setting) {
    const share = random.pick([0.2, 0.5, 1])
    const times = random.between(1, 5)
    const probe = await openProbe(cluster.database_url)
    for (let time = 0; time < times; time++) {
      await probe.rows(`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and random() < ${share}`)
      await sleep(random.between(10, 300))
    }
    await probe.close()
    return 0
  },

  /** A process whose commits sometimes land without an answer. */
  async lose_commits({ cluster, random }: Setting) {
    const member = random.pick(cluster.members)
    await cluster.kill(member)
    await cluster.start(member, { CHAOS_LOSE_COMMITS: String(random.pick([0.02, 0.1, 0.3])) })
    await sleep(random.between(500, 2_000))
    await cluster.kill(member)
    await cluster.start(member)
    return 2
  },
}

export type Fault = keyof typeof FAULTS | keyof typeof POSTGRES_FAULTS

const SQLITE_WEIGHTS = {
  kill: 8,
  die_at_commit: 5,
  kill_starting: 2,
  kill_stopping: 2,
  stop: 1,
  freeze: 0.5,
  kill_frozen: 0.5,
}
const POSTGRES_WEIGHTS = { ...SQLITE_WEIGHTS, kill_all: 1, freeze: 3, terminate: 2, lose_commits: 1.5 }

/** Does one thing to the cluster, of all or of `only` these; resolves with what it was and how many processes died. */
export async function disturb(
  cluster: Cluster,
  random: Random,
  only?: readonly string[],
): Promise<{ fault: Fault; kills: number }> {
  const weights = cluster.database_url.startsWith('postgres') ? POSTGRES_WEIGHTS : SQLITE_WEIGHTS
  const chosen = Object.entries(weights).filter(([name]) => only?.includes(name) ?? true)
  const fault = random.weighted(Object.fromEntries(chosen)) as Fault
  await anyListens(cluster.members)
  const kills = await { ...FAULTS, ...POSTGRES_FAULTS }[fault]({ cluster, random })
  return { fault, kills }
}

/** Processes that are all still starting show nothing. */
async function anyListens(members: readonly Member[]) {
  for (let waited = 0; waited < 300 && members.every(member => member.url === undefined); waited++) await sleep(10)
}
