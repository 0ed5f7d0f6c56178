// `runloom migrate`: the schema alone, for deployments that migrate before they start.
import type { Config } from '../config.ts'
import { openDatabase, unusable } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'

export async function migrateOnly({ database_url }: Config): Promise<void> {
  try {
    const db = await openDatabase(database_url, { inline: true })
    try {
      process.stdout.write(`The schema is at version ${await migrate(db)}\n`)
    } finally {
      await db.close()
    }
  } catch (error) {
    throw unusable(database_url, error)
  }
}
