// The promise of test/support/postgres.ts: no server and no folder outlives the process that started it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const support = resolve(import.meta.dirname, '../support/postgres.ts')

/** A process that starts a server of its own, does `next`, and then says where the server is. */
async function owner(next: string) {
  const { TEST_DATABASE_URL: _, ...env } = process.env
  const script = `
    const { postgresServer } = await import(${JSON.stringify(support)})
    const server = await postgresServer()
    ${next}
    console.log(JSON.stringify(server))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(child.stdout, 'data')
  const { pid, folder } = JSON.parse(String(line)) as { pid: number; folder: string }
  return { child, pid, folder }
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function assertGone({ pid, folder }: { pid: number; folder: string }): Promise<void> {
  const deadline = performance.now() + 60_000
  while ((runs(pid) || existsSync(folder)) && performance.now() < deadline) await sleep(20)
  assert.ok(!runs(pid), 'the server still runs')
  assert.ok(!existsSync(folder), 'its folder is still there')
}

describe('a Postgres of a process of its own', () => {
  test('runs while the process does, and is gone when stop returns', async () => {
    const own = await owner(
      "process.on('SIGTERM', async () => { await server.stop(); process.exit() }); setInterval(() => {}, 1e3)",
    )
    assert.ok(runs(own.pid) && existsSync(own.folder))
    own.child.kill('SIGTERM')
    await once(own.child, 'exit')
    assert.ok(!runs(own.pid) && !existsSync(own.folder))
  })

  test('does not keep the process alive, and goes with it', async () => {
    const own = await owner('')
    if (own.child.exitCode === null) await once(own.child, 'exit')
    await assertGone(own)
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const)
    test(`goes with a process that dies of ${signal}`, async () => {
      const own = await owner('setInterval(() => {}, 1e3)')
      own.child.kill(signal)
      await assertGone(own)
    })
})
