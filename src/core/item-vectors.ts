// What items mean, as vectors: one for each text of an item that is searched by meaning. Only where `store.index` is
// configured; the table is made then. A search is exact: it compares with every vector below its namespace. Both databases
// have `vec_f32` and `vec_distance_cosine`: SQLite by the extension sqlite-vec, Postgres over pgvector.
import sql, { raw, type Sql } from 'sql-template-tag'
import { type Database, first, type Steps, transition } from '../db/database.ts'

export interface TextVector {
  /** Where in the value the text is. */
  path: string
  /** JSON text, `[0.1, …]`. */
  embedding: string
}

export interface Near {
  embedding: string
  /** Which embeddings made it: those of others are not compared with it. */
  space: string
}

/** Makes the table. Throws, saying what to do, on a Postgres without pgvector. */
export const prepareVectors = transition(
  import.meta.url,
  'prepareVectors',
  function* (dialect: Database['dialect']): Steps<void> {
    if (dialect === 'postgres') {
      yield sql`select pg_advisory_xact_lock(7285012)`
      const extension = yield* first(sql`select 1 as known from pg_available_extensions where name = 'vector'`)
      if (!extension) {
        throw new Error(
          'store.index: this Postgres has no pgvector; install it (on Debian: postgresql-<version>-pgvector), or remove store.index',
        )
      }
      for (const statement of POSTGRES_VECTORS) yield raw(statement)
    }
    yield raw(`
      create table if not exists item_vectors (
        namespace text collate "binary" not null,
        key text collate "binary" not null,
        path text not null,
        space text not null,
        made_at text not null,
        embedding ${dialect === 'postgres' ? 'vector' : 'blob'} not null,
        primary key (namespace, key, path),
        foreign key (namespace, key) references items (namespace, key) on delete cascade
      )`)
  },
)

const POSTGRES_VECTORS = [
  'create extension if not exists vector',
  `create or replace function vec_f32(data text) returns vector language sql immutable strict as
    $$ select data::vector $$`,
  `create or replace function vec_distance_cosine(a vector, b vector) returns double precision
    language sql immutable strict as $$ select a <=> b $$`,
]

export interface ReplaceVectors {
  namespace: string
  key: string
  /** The item's `updated_at`: vectors of an earlier value, written where no index was configured, do not count. */
  made_at: string
  space: string
  vectors: TextVector[]
}

export function* replaceVectors({ namespace, key, made_at, space, vectors }: ReplaceVectors): Steps<void> {
  yield sql`delete from item_vectors where namespace = ${namespace} and key = ${key}`
  for (const { path, embedding } of vectors) {
    yield sql`
      insert into item_vectors (namespace, key, path, space, made_at, embedding)
      values (${namespace}, ${key}, ${path}, ${space}, ${made_at}, vec_f32(${embedding}))`
  }
}

export interface Nearest {
  columns: Sql
  /** Which namespaces. */
  within: Sql
  /** Which items. */
  where: Sql
  near: Near
  limit: number
  offset: number
}

/** Items with vectors, nearest first; an item is as near as its nearest text. */
export function nearestItems({ columns, within, where, near, limit, offset }: Nearest): Sql {
  return sql`
    select found.*, 1 - nearest.distance as score
    from (select ${columns} from items where ${where}) as found
    join (
      select namespace, key, made_at, min(vec_distance_cosine(embedding, vec_f32(${near.embedding}))) as distance
      from item_vectors where ${within} and space = ${near.space} group by namespace, key, made_at
    ) as nearest on nearest.namespace = found.namespace and nearest.key = found.key
      and nearest.made_at = found.updated_at
    order by nearest.distance, found.namespace, found.key limit ${limit} offset ${offset}`
}
