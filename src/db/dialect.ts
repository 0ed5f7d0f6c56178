// The SQL functions that both databases share. Postgres gets them from its first migration, SQLite from here.

/** JSON containment as Postgres' `@>` has it: objects by key, arrays as sets, scalars by equality. */
export function jsonContains(whole: unknown, part: unknown): number {
  const [outer, inner] = [JSON.parse(String(whole)), JSON.parse(String(part))]
  // At the top, and only there, an array contains a scalar.
  const item = Array.isArray(outer) && (inner === null || typeof inner !== 'object')
  return contains(outer, item ? [inner] : inner) ? 1 : 0
}

function contains(whole: unknown, part: unknown): boolean {
  if (Array.isArray(part)) {
    return Array.isArray(whole) && part.every(item => whole.some(candidate => contains(candidate, item)))
  }
  if (part !== null && typeof part === 'object') {
    if (whole === null || typeof whole !== 'object' || Array.isArray(whole)) return false
    return Object.entries(part).every(
      ([key, value]) => Object.hasOwn(whole, key) && contains((whole as Record<string, unknown>)[key], value),
    )
  }
  return whole === part
}

export const POSTGRES_FUNCTIONS = `
  create collation if not exists "binary" from "C";
  create or replace function now_ms() returns bigint language sql volatile as
    $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;
  create or replace function now_iso() returns text language sql volatile as
    $$ select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;
  create or replace function json_contains(whole text, part text) returns integer language sql immutable as
    $$ select (whole::jsonb @> part::jsonb)::int $$;
`

/**
 * What the planner shall believe of a thread's messages: twenty, not as many as most threads have. Where that is one, it looks
 * a message up among all of its thread, however many those are, as if the index of their ids were no better.
 */
export const POSTGRES_ESTIMATES = 'alter table messages alter column thread_id set (n_distinct = -0.05)'
