// PgBouncer from Debian's package in front of a database, in transaction mode: what most hosted Postgres puts in between.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '../support/server.ts'
import { openProbe } from './probe.ts'

const BINARY = '/usr/sbin/pgbouncer'

/** Why there is no PgBouncer to test with; undefined when there is. */
export function pgBouncerMissing(): string | undefined {
  return existsSync(BINARY) ? undefined : `there is no ${BINARY}; apt-get install pgbouncer brings it`
}

/** Starts one in front of a database. `url` leads through it. */
export async function openPgBouncer(database_url: string): Promise<{ url: string; close: () => Promise<void> }> {
  const target = new URL(database_url)
  const folder = temporaryFolder()
  const port = await freePort()
  const config = join(folder.path, 'pgbouncer.ini')
  const users = join(folder.path, 'users.txt')
  writeFileSync(users, `"${target.username}" "${target.password}"\n`)
  writeFileSync(
    config,
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
auth_type = plain
auth_file = ${users}
pool_mode = transaction
default_pool_size = 10
unix_socket_dir =
`,
  )
  chmodSync(folder.path, 0o755)
  const asRoot = process.getuid?.() === 0 ? ['-u', nobody()] : []
  const child = spawn(BINARY, ['-q', ...asRoot, config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const exited = once(child, 'exit')
  const url = new URL(database_url)
  url.host = `127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    const probe = await openProbe(url.href).catch((error: Error) => error)
    if (!(probe instanceof Error)) {
      await probe.close()
      break
    }
    if (tries === 100 || child.exitCode !== null)
      throw new Error(`PgBouncer does not answer: ${probe.message} ${errors}`)
    await sleep(50)
  }
  return {
    url: url.href,
    async close() {
      child.kill('SIGKILL')
      await exited
      folder.remove()
    },
  }
}

/** PgBouncer refuses to be root. */
function nobody(): string {
  return spawnSync('id', ['postgres']).status === 0 ? 'postgres' : 'nobody'
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  return (address as { port: number }).port
}
