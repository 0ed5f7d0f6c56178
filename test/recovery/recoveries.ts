// How long runs waited for a new owner: from the death of a process to the new attempt's first event (another process took
// over), and from the moment a new process listened (it came back by itself).
import type { Cluster } from './cluster.ts'
import { openProbe } from './probe.ts'

interface Opened {
  run_id: string
  seq: number
  at_ms: number
  before_ms: number | null
}

export class Recoveries {
  readonly sinceDeath: number[] = []
  readonly sinceListening: number[] = []
  readonly startUps: number[] = []

  /** Adds what the logs in a cluster's database tell. */
  async read(cluster: Cluster): Promise<void> {
    this.startUps.push(...cluster.listened.map(({ took_ms }) => took_ms))
    const probe = await openProbe(cluster.database_url)
    const opened = await probe.rows<Opened>(`
      select e.run_id, e.seq, e.at_ms, p.at_ms as before_ms from run_events e
      join run_events p on p.run_id = e.run_id and p.seq = e.seq - 1 where e.event = 'metadata'`)
    await probe.close()
    for (const { at_ms, before_ms } of opened) {
      // Where several died in between nobody can tell whose death it was.
      const deaths = cluster.deaths.filter(death => death >= (before_ms ?? 0) && death <= at_ms)
      const [death] = deaths
      if (death === undefined || deaths.length > 1) continue
      this.sinceDeath.push(at_ms - death)
      const listening = cluster.listened.find(({ at }) => at >= death)
      if (listening) this.sinceListening.push(Math.max(0, at_ms - listening.at))
    }
  }

  describe(): string {
    return [
      `from a death to the new owner's first event: ${spread(this.sinceDeath)}`,
      `from listening to the new owner's first event: ${spread(this.sinceListening)}`,
      `from starting to listening: ${spread(this.startUps)}`,
    ].join('\n')
  }
}

/** The distribution of some durations, in words. */
export function spread(durations_ms: readonly number[]): string {
  const sorted = durations_ms.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  if (sorted.length === 0) return 'none seen'
  return `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${sorted.length} seen)`
}
