// Looks into the database behind the servers' backs, on a connection of its own.
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'

export type Row = Record<string, string | number | null>

export interface Probe {
  /** The same SQL text for both databases; whole numbers come as numbers. */
  rows<R = Row>(text: string): Promise<R[]>
  close(): Promise<void>
}

export async function openProbe(database_url: string): Promise<Probe> {
  if (database_url.startsWith('sqlite:')) {
    const db = new DatabaseSync(database_url.slice('sqlite:'.length), { readOnly: true, timeout: 5_000 })
    return {
      rows: async <R>(text: string) => db.prepare(text).all() as R[],
      close: async () => db.close(),
    }
  }
  const types = { getTypeParser: (oid: number) => (oid === 20 || oid === 23 ? Number : (text: string) => text) }
  const client = new pg.Client({ connectionString: database_url, types: types as unknown as pg.CustomTypesConfig })
  client.on('error', () => {})
  await client.connect()
  return {
    rows: async <R>(text: string) => (await client.query(text)).rows as R[],
    close: () => client.end(),
  }
}

/** Changes a database behind the servers' backs. */
export async function write(database_url: string, text: string): Promise<void> {
  if (database_url.startsWith('sqlite:')) {
    const db = new DatabaseSync(database_url.slice('sqlite:'.length), { timeout: 5_000 })
    db.exec(text)
    db.close()
    return
  }
  const probe = await openProbe(database_url)
  await probe.rows(text)
  await probe.close()
}
