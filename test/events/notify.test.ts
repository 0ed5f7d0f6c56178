// Why hints are sent outside transactions (design §10.14): Postgres commits those that notify one after the other, in all
// of its databases, and a commit waits for the disk. Here it waits for a standby that never comes, so that it can be seen.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { until } from '../core/harness.ts'
import { startPostgres } from '../support/postgres.ts'

test('a commit that notifies waits for every other one that does, and no commit waits that does not', async () => {
  const server = await startPostgres()
  const clients: pg.Client[] = []
  const connect = async () => {
    const client = new pg.Client({ connectionString: server.url })
    client.on('error', () => {})
    await client.connect()
    clients.push(client)
    return client
  }
  try {
    const [first, second, third] = [await connect(), await connect(), await connect()]
    await third.query('create table written (by_whom text)')
    const commit = async (client: pg.Client, by_whom: string, notifies: boolean) => {
      await client.query('begin')
      await client.query('insert into written values ($1)', [by_whom])
      if (notifies) await client.query(`select pg_notify('hints', $1)`, [by_whom])
      return client.query('commit')
    }
    await third.query(`alter system set synchronous_standby_names = 'nobody'`)
    await third.query('select pg_reload_conf()')
    for (const client of [second, third]) await client.query('set synchronous_commit = local')
    const waitsFor = async (event: string) => {
      const { rows } = await third.query('select 1 from pg_stat_activity where wait_event = $1', [event])
      return rows.length > 0
    }
    let held: Promise<unknown> | undefined
    await until(() => {
      held ??= commit(first, 'the first', true).finally(() => {
        held = undefined // the server has not heard of its standby yet
      })
      return waitsFor('SyncRep')
    }, 'the first commit is under way')
    const waiting = commit(second, 'the second', true)
    await until(() => waitsFor('object'), 'the second waits for the first, though they share no row')
    await commit(third, 'the third', false)

    await third.query(`select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`)
    await Promise.all([held, waiting])
    const { rows } = await third.query('select distinct by_whom from written order by by_whom')
    assert.deepEqual(
      rows.map(row => row.by_whom),
      ['the first', 'the second', 'the third'],
    )
  } finally {
    await Promise.all(clients.map(client => client.end().catch(() => {})))
    await server.stop()
  }
})
