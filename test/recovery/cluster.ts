// The server processes of one chaos run, on one database: started, killed, stopped and started again, whatever they are
// doing. Knows what each said, when each died, and which are there to be asked.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import { spawnServer } from '../support/server.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures/recovery')
export const RECOVERY_GRAPHS = join(FIXTURES, 'langgraph.json')
export const PRELOAD = join(FIXTURES, 'preload.ts')

export const LEASE_MS = 1_500

/** Leases short, so that takeovers come soon; crashes unlimited, because a chaos run has more than three. */
const SETTINGS = {
  RUNLOOM_LEASE_MS: String(LEASE_MS),
  RUNLOOM_POLL_MS: '200',
  RUNLOOM_DRAIN_MS: '150',
  RUNLOOM_HEARTBEAT_MS: '300',
  RUNLOOM_MAX_CRASHES: '100000',
}

export interface Member {
  readonly name: string
  server: ReturnType<typeof spawnServer> | undefined
  /** Where it can be asked; undefined unless it listens. */
  url: string | undefined
  /** What all its lives have written to standard error. */
  log: string
  /** True between SIGSTOP and SIGCONT. */
  frozen: boolean
}

export class Cluster {
  readonly members: Member[]
  readonly database_url: string
  readonly #env: NodeJS.ProcessEnv
  /** When processes died by our hand, and when new ones listened: Date.now(). */
  readonly deaths: number[] = []
  readonly listened: { at: number; took_ms: number }[] = []
  /** Processes that ended when nobody had asked them to. */
  readonly surprises: string[] = []
  readonly #expected = new WeakSet<object>()
  readonly #killAll = () => {
    for (const { server } of this.members) server?.child.kill('SIGKILL')
  }

  constructor(database_url: string, size: number, env: NodeJS.ProcessEnv = {}) {
    this.database_url = database_url
    this.#env = env
    this.members = Array.from({ length: size }, (_, index) => ({
      name: `process ${index + 1}`,
      server: undefined,
      url: undefined,
      log: '',
      frozen: false,
    }))
    process.on('exit', this.#killAll)
  }

  /** Starts a member that does not run. Resolves true when it listens, false when it ended before. */
  async start(member: Member, env: NodeJS.ProcessEnv = {}): Promise<boolean> {
    if (member.server) return member.url !== undefined
    const started = Date.now()
    const all = { ...this.#env, ...env }
    const chaotic = Object.keys(all).some(name => /^CHAOS_(DIE|LOSE|CLOCK)/.test(name))
    const server = spawnServer({
      database_url: this.database_url,
      config: RECOVERY_GRAPHS,
      env: { ...SETTINGS, ...(chaotic && { NODE_OPTIONS: `--import ${PRELOAD}` }), ...all },
    })
    member.server = server
    const ended = server.exited.then(code => {
      member.log += server.errors()
      if (member.server === server) Object.assign(member, { server: undefined, url: undefined, frozen: false })
      if (this.#expected.has(server)) return false
      // A database that cannot be reached while it starts is a reason to end.
      if (/^DATABASE_URL: the database cannot be used/m.test(server.errors())) return false
      if (server.child.signalCode === 'SIGKILL' && all.CHAOS_DIE_AT) this.deaths.push(Date.now())
      else
        this.surprises.push(
          `${member.name} ended by itself with ${code ?? server.child.signalCode}: ${server.errors().slice(-2000)}`,
        )
      return false
    })
    const listens = server.listening.then(
      url => {
        if (member.server === server) member.url = url
        this.listened.push({ at: Date.now(), took_ms: Date.now() - started })
        return true
      },
      () => ended,
    )
    return Promise.race([listens, ended])
  }

  async kill(member: Member): Promise<void> {
    const { server } = member
    if (!server) return
    this.#expected.add(server)
    this.deaths.push(Date.now())
    member.url = undefined
    await server.kill()
  }

  /** SIGTERM. Resolves with the exit code. */
  async stop(member: Member): Promise<number | null> {
    const { server } = member
    if (!server) return null
    this.#expected.add(server)
    member.url = undefined
    return server.stop()
  }

  /** Stops a member in its tracks: it neither answers nor dies. */
  freeze(member: Member) {
    member.frozen = true
    member.server?.child.kill('SIGSTOP')
  }

  thaw(member: Member) {
    member.frozen = false
    member.server?.child.kill('SIGCONT')
  }

  /** Starts whoever is down until all listen. */
  async ensureUp(): Promise<void> {
    await Promise.all(this.members.map(member => this.#ensureUp(member)))
  }

  async #ensureUp(member: Member) {
    if (member.frozen) this.thaw(member)
    for (let tries = 0; !(await this.start(member)); tries++) {
      if (tries === 10) throw new Error(`${member.name} does not start: ${this.surprises.at(-1)}`)
      await sleep(50)
    }
    await member.server?.listening.catch(() => {})
  }

  /** The URL of some member that listens; waits for one. */
  async url(random: Random): Promise<string> {
    for (;;) {
      const up = this.members.filter(member => member.url !== undefined && !member.frozen)
      if (up.length > 0) return random.pick(up).url as string
      await sleep(10)
    }
  }

  /** Everything the processes have said, their last lines. */
  logs(lines = 60): string {
    return this.members
      .map(
        ({ name, log, server }) =>
          `--- ${name}\n${(log + (server?.errors() ?? '')).split('\n').slice(-lines).join('\n')}`,
      )
      .join('\n')
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map(member => this.kill(member)))
    process.removeListener('exit', this.#killAll)
  }
}
