// `runloom worker`: a process without HTTP executes what a server that executes nothing has accepted.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { createDatabase, dropDatabase } from './support/postgres.ts'
import { clientOf, GRAPHS, startServer } from './support/server.ts'

test('runs that a server accepts are executed by a worker on the same Postgres', async () => {
  const database_url = await createDatabase()
  const server = await startServer({ database_url, env: { RUNLOOM_CONCURRENCY: '0' } })
  const args = [join(import.meta.dirname, '../src/cli.ts'), 'worker', '--config', GRAPHS]
  const worker = spawn(process.execPath, args, { env: { ...process.env, DATABASE_URL: database_url }, stdio: 'pipe' })
  try {
    for await (const line of createInterface({ input: worker.stdout })) if (line === 'Runloom worker is running') break
    const values = await clientOf(server.url).runs.wait(null, 'steps', { input: { count: 2 } })
    assert.deepEqual((values as { log: string[] }).log, ['step 0', 'step 1'])
  } finally {
    worker.kill('SIGTERM')
    const [code] = await once(worker, 'exit')
    assert.equal(code, 0)
    await server.stop()
    await dropDatabase(database_url)
  }
})
