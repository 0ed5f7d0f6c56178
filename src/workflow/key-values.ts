// What models keep with `kv_write` (contracts: workflows §6): values by key, of the session that a run names, and so of all
// its runs; else of the run, and gone with it. A write is no transaction of its own: its rows go with the event that tells
// of it, so a call that has a result has had its effect once.
import sql from 'sql-template-tag'
import type { Json } from '../core/json.ts'
import { jsonText } from '../core/json.ts'
import { all, type Bulk, first, type Steps, transition } from '../db/database.ts'

export interface ValueScope {
  run_id: string
  session_id?: string
}

const COLUMNS = ['scope_id', 'run_id', 'key', 'value'] as const
/** Of a session that has gone meanwhile nothing is kept. */
const THERE = 'where run_id is not null or exists (select 1 from sessions where session_id = scope_id)'
const REPLACE = 'on conflict (scope_id, key) do update set value = excluded.value'

export function valueRow(scope: ValueScope, key: string, value: Json): Bulk {
  const target = `insert into workflow_values (${COLUMNS.join(', ')}) select * from`
  const run_id = scope.session_id === undefined ? scope.run_id : null
  return {
    each: `${target} (select ${COLUMNS.map(name => `? as ${name}`).join(', ')}) as given ${THERE} ${REPLACE}`,
    all: `${target} unnest(${COLUMNS.map((_, index) => `$${index + 1}::text[]`).join(', ')})
      as given (${COLUMNS.join(', ')}) ${THERE} ${REPLACE}`,
    columns: [...COLUMNS],
    rows: [{ scope_id: idOf(scope), run_id, key, value: jsonText(value) }],
    key: ['scope_id', 'key'],
  }
}

export function valueRemoved(scope: ValueScope, key: string): Bulk {
  return {
    each: 'delete from workflow_values where scope_id = ? and key = ?',
    all: `delete from workflow_values using unnest($1::text[], $2::text[]) as gone (scope_id, key)
      where workflow_values.scope_id = gone.scope_id and workflow_values.key = gone.key`,
    columns: ['scope_id', 'key'],
    rows: [{ scope_id: idOf(scope), key }],
  }
}

/** A value as JSON text; null where there is none. */
export const readValue = transition(
  import.meta.url,
  'readValue',
  function* ({ key, ...scope }: ValueScope & { key: string }): Steps<string | null> {
    const found = yield* first<{ value: string }>(
      sql`select value from workflow_values where scope_id = ${idOf(scope)} and key = ${key}`,
    )
    return found?.value ?? null
  },
)

/** Keys that begin so, in order. */
export const listKeys = transition(
  import.meta.url,
  'listKeys',
  function* ({ prefix, limit, ...scope }: ValueScope & { prefix: string; limit: number }): Steps<string[]> {
    const rows = yield* all<{ key: string }>(sql`
      select key from workflow_values where scope_id = ${idOf(scope)} and substr(key, 1, ${[...prefix].length}) = ${prefix}
      order by key collate "binary" limit ${limit}`)
    return rows.map(row => row.key)
  },
)

function idOf({ run_id, session_id }: ValueScope): string {
  return session_id ?? run_id
}
