// `npm test`: the check, then every test, on one Postgres. `npm test -- <patterns or node --test options>` runs only
// those, without the check. The tests see nothing of this machine's environment but what `kept` names, and nothing they
// start or write outlives the run: not when they fail, and not when this process is interrupted or killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresServer } from '../test/support/postgres.ts'
import { run } from './check.ts'

const test_timeout_ms = 120_000
const run_timeout_ms = 30 * 60_000
/** What a test process that was asked to end may take before it is killed. */
const grace_ms = 5_000

const kept = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TERM|COLORTERM|FORCE_COLOR|NO_COLOR|CI|npm_\w+|TEST_\w+)$/

// The watcher waits for its standard input to end, as it does whenever this process does, and then kills the process
// group of the tests and removes their temporary folder.
const watcher = `read -r group && { read -r _; kill -KILL "-$group" 2> /dev/null; }; rm -rf "$1"`

async function main(args: string[]): Promise<number> {
  if (args.length === 0 && !(await run())) {
    console.error('The check failed, so the tests were not run.')
    return 1
  }
  const server = await postgresServer()
  console.log(`Postgres for the tests: ${server.origin}`)
  try {
    return await runTests(args, server.url)
  } finally {
    await server.stop()
  }
}

async function runTests(args: string[], databaseUrl: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'runloom-test-'))
  const guard = spawn('/bin/sh', ['-c', watcher, 'watcher', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name)))
  const selection = args.some(arg => !arg.startsWith('-')) ? args : [...args, 'test/**/*.test.ts']
  // A failed test may leave something open; its file is to end all the same, and the others to go on.
  const ending = ['--test-force-exit', `--test-timeout=${test_timeout_ms}`]
  const options = ['--test', '--test-reporter=spec', '--test-concurrency=2', ...ending]
  const tests = spawn(process.execPath, [...options, ...selection], {
    detached: true, // a process group of its own: whatever the tests left running goes with it
    env: {
      ...env,
      TMPDIR: folder,
      TEST_DATABASE_URL: databaseUrl,
      // Hundreds of processes load the same modules: the first ones to end leave them compiled to the others.
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  guard.stdin.write(`${tests.pid}\n`)

  let reason: string | undefined
  const end = (why: string) => {
    reason ??= why
    tests.kill('SIGTERM')
    setTimeout(() => killGroup(tests.pid), grace_ms).unref()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal))
  const timer = setTimeout(() => end(`the tests took longer than ${run_timeout_ms / 60_000} minutes`), run_timeout_ms)

  const [code] = (await once(tests, 'exit')) as [number | null]
  clearTimeout(timer)
  guard.stdin.end()
  await once(guard, 'exit')
  rmSync(folder, { recursive: true, force: true })
  if (reason) console.error(`Stopped: ${reason}.`)
  return reason ? 1 : (code ?? 1)
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // All of them have ended.
  }
}

process.exitCode = await main(process.argv.slice(2))
