// Brings a database to the schema of migrations.ts; one that is newer than this code is refused.
import sql, { raw } from 'sql-template-tag'
import { all, type Database, first, type Steps, transition } from './database.ts'
import { POSTGRES_ESTIMATES, POSTGRES_FUNCTIONS } from './dialect.ts'
import { MIGRATIONS } from './migrations.ts'

/** The version that `migrate` brings a database to. */
export const NEWEST_SCHEMA = MIGRATIONS.length

/** Brings the schema up to date under a lock. Throws when the database was migrated by newer code. Returns the version. */
export async function migrate(db: Database): Promise<number> {
  return db.run(applyMigrations, db.dialect)
}

export const applyMigrations = transition(
  import.meta.url,
  'applyMigrations',
  function* (dialect: Database['dialect']): Steps<number> {
    if (dialect === 'postgres') yield sql`select pg_advisory_xact_lock(7285012)`
    yield sql`create table if not exists schema_version (version integer not null)`
    const known =
      (yield* first<{ version: number }>(sql`select max(version) as version from schema_version`))?.version ?? 0
    if (known > MIGRATIONS.length) {
      throw new Error(
        `the database has schema version ${known}, this Runloom knows ${MIGRATIONS.length}; run the newer Runloom, or restore a backup`,
      )
    }
    if (dialect === 'postgres' && known < MIGRATIONS.length) yield raw(POSTGRES_FUNCTIONS)
    for (const migration of MIGRATIONS.slice(known)) {
      for (const statement of statementsOf(migration)) yield* all(raw(statement))
    }
    if (dialect === 'postgres' && known < MIGRATIONS.length) yield raw(POSTGRES_ESTIMATES)
    if (known < MIGRATIONS.length) yield sql`insert into schema_version (version) values (${MIGRATIONS.length})`
    return MIGRATIONS.length
  },
)

/** The version that a database has, without touching it; zero for one without a schema. */
export const lookAtSchema = transition(
  import.meta.url,
  'lookAtSchema',
  function* (dialect: Database['dialect']): Steps<number> {
    const found = yield* first(
      dialect === 'sqlite'
        ? sql`select 1 as found from sqlite_master where name = 'schema_version'`
        : sql`select 1 as found where to_regclass('schema_version') is not null`,
    )
    if (!found) return 0
    const row = yield* first<{ version: number | null }>(sql`select max(version) as version from schema_version`)
    return row?.version ?? 0
  },
)

function statementsOf(migration: string): string[] {
  const text = migration.replace(/--.*$/gm, '')
  return text.split(';').filter(statement => statement.trim() !== '')
}
