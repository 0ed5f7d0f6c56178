// Declares a suite over both stores: what the model allows, Postgres must allow too, and the other way round.
import { after, before, describe } from 'node:test'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { openPostgresStore } from './postgres-store.ts'
import { ReadCommitted } from './read-committed.ts'
import type { Store } from './store.ts'

export function forEachStore(name: string, body: (store: () => Store, kind: 'model' | 'postgres') => void) {
  describe(`${name} in the model`, () => {
    const store = new ReadCommitted()
    body(() => store, 'model')
    after(() => store.close())
  })

  describe(`${name} on postgres`, () => {
    let store: Store
    let url: string
    before(async () => {
      url = await createDatabase()
      store = await openPostgresStore(url)
    })
    body(() => store, 'postgres')
    after(async () => {
      await store.close()
      await dropDatabase(url)
    })
  })
}
