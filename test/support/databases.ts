// Runs one suite over both databases: what holds on SQLite holds on Postgres, or the test says so.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe } from 'node:test'
import { createDatabase, dropDatabase } from './postgres.ts'

/**
 * Declares the suite `name` twice. `open` makes a fresh, empty database at every call and gives its URL; they are removed
 * when the suite is over, after the suite's own `after` hooks.
 */
export function forEachDatabase(name: string, body: (open: () => Promise<string>) => void): void {
  describe(`${name} on sqlite`, () => {
    const folders: string[] = []
    body(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'runloom-sqlite-'))
      folders.push(folder)
      return `sqlite:${join(folder, 'runloom.db')}`
    })
    after(() => Promise.all(folders.map(folder => rm(folder, { recursive: true, force: true }))))
  })

  describe(`${name} on postgres`, () => {
    const urls: string[] = []
    body(async () => {
      const url = await createDatabase()
      urls.push(url)
      return url
    })
    after(() => Promise.all(urls.map(dropDatabase)))
  })
}
