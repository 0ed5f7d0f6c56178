// What a thread takes up in the database (contracts: langgraph §3). Values are stored once: a list or a blob counts for a
// channel however many checkpoints refer to it, and for each channel that shares it.
import sql, { type Sql } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { getThread, type ThreadKey } from './threads.ts'

/** Rows, or values in them, and the bytes of their JSON. */
interface Amount {
  count: number
  bytes: number
}

export interface ThreadStorage {
  thread_id: string
  total_bytes: number
  checkpoints: Amount
  channel_values: Amount & { by_channel: Record<string, Amount> }
  pending_writes: Amount
  /** The logs of the runs, with the values that only they refer to. */
  events: Amount
  messages: Amount
}

export const threadStorage = transition(
  import.meta.url,
  'threadStorage',
  function* (key: ThreadKey): Steps<ThreadStorage> {
    const { thread_id } = yield* getThread.steps(key)
    const mine = sql`where thread_id = ${thread_id}`
    const rows = yield* amount(
      sql`octet_length(checkpoint) + octet_length(channels) + octet_length(metadata)`,
      sql`checkpoints ${mine}`,
    )
    const pending_writes = yield* amount(sql`octet_length(exact)`, sql`checkpoint_writes ${mine}`)
    const runs = sql`select run_id from runs ${mine}`
    const log = yield* amount(sql`octet_length(data)`, sql`run_events where run_id in (${runs})`, sql`sum(lines)`)
    const messages = yield* amount(sql`octet_length(content)`, sql`messages ${mine}`)
    const stored = yield* storedValues(thread_id)
    const { by_channel, referred, inline } = yield* channelValues(thread_id, stored)
    const values = add(...[...stored].filter(([id]) => referred.has(id)).map(([, value]) => value), inline)
    const rest = add(...[...stored].filter(([id]) => !referred.has(id)).map(([, value]) => value))
    const checkpoints = { count: rows.count, bytes: rows.bytes - inline.bytes }
    const events = { count: log.count, bytes: log.bytes + rest.bytes }
    return {
      thread_id,
      total_bytes: checkpoints.bytes + values.bytes + pending_writes.bytes + events.bytes + messages.bytes,
      checkpoints,
      channel_values: { ...values, by_channel },
      pending_writes,
      events,
      messages,
    }
  },
)

interface StoredValue extends Amount {
  /** The list that it continues. */
  parent_id: string | null
}

/** Lists and blobs by their id. */
function* storedValues(thread_id: string): Steps<Map<string, StoredValue>> {
  const lists = yield* all<StoredValue & { id: string }>(sql`
    select lists.list_id as id, parent_id, count(idx) as count,
      coalesce(sum(octet_length(data) + coalesce(octet_length(exact), 0)), 0) as bytes
    from lists left join list_items on list_items.thread_id = lists.thread_id and list_items.list_id = lists.list_id
    where lists.thread_id = ${thread_id} group by lists.list_id, parent_id`)
  const blobs = yield* all<StoredValue & { id: string }>(sql`
    select hash as id, null as parent_id, 1 as count, octet_length(data) + coalesce(octet_length(exact), 0) as bytes
    from blobs where thread_id = ${thread_id}`)
  return new Map([...lists, ...blobs].map(({ id, ...value }) => [id, value]))
}

/** Checkpoints that are looked at in one go. */
const PAGE = 500

type Page = { checkpoint_ns: string; checkpoint_id: string; channels: string }[]

function* channelValues(thread_id: string, stored: Map<string, StoredValue>) {
  const ids = new Map<string, Set<string>>()
  const inlines = new Map<string, Amount>()
  let last = { checkpoint_ns: '', checkpoint_id: '' }
  for (let more = true; more; ) {
    const page: Page = yield* all<Page[number]>(sql`
      select checkpoint_ns, checkpoint_id, channels from checkpoints
      where thread_id = ${thread_id} and (checkpoint_ns, checkpoint_id) > (${last.checkpoint_ns}, ${last.checkpoint_id})
      order by checkpoint_ns, checkpoint_id limit ${PAGE}`)
    for (const { channels } of page) {
      for (const [channel, [kind, id]] of Object.entries<[string, string]>(JSON.parse(channels))) {
        const own = ids.get(channel) ?? new Set()
        ids.set(channel, own)
        if (kind !== 'v') for (const part of withParents(id, stored)) own.add(part)
        else inlines.set(channel, add(inlines.get(channel), { count: 1, bytes: Buffer.byteLength(id) }))
      }
    }
    last = page.at(-1) ?? last
    more = page.length === PAGE
  }
  const by_channel = [...ids].map(([channel, own]) => {
    return [channel, add(...[...own].map(id => stored.get(id)), inlines.get(channel))] as const
  })
  return {
    by_channel: Object.fromEntries(by_channel),
    referred: new Set([...ids.values()].flatMap(own => [...own])),
    inline: add(...inlines.values()),
  }
}

function withParents(id: string, stored: Map<string, StoredValue>): string[] {
  const chain: string[] = []
  for (let next: string | null = id; next !== null; next = stored.get(next)?.parent_id ?? null) chain.push(next)
  return chain
}

function* amount(bytes: Sql, from: Sql, count = sql`count(*)`): Steps<Amount> {
  return (yield* first<Amount>(
    sql`select coalesce(${count}, 0) as count, coalesce(sum(${bytes}), 0) as bytes from ${from}`,
  )) as Amount
}

function add(...amounts: (Amount | undefined)[]): Amount {
  const given = amounts.filter(amount => amount !== undefined)
  return {
    count: given.reduce((sum, { count }) => sum + count, 0),
    bytes: given.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}
