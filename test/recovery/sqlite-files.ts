// A fresh SQLite database for one test, for cases that exist on SQLite alone.
import { join } from 'node:path'
import { temporaryFolder } from '../support/server.ts'

export async function forSqlite(body: (database_url: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder()
  try {
    await body(`sqlite:${join(folder.path, 'runloom.db')}`)
  } finally {
    folder.remove()
  }
}
