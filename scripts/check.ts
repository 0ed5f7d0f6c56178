// `npm run check`: everything about the code that can be told without running it. One line a check, and the whole output
// of those that failed.
import { spawn } from 'node:child_process'
import { delimiter, dirname, resolve } from 'node:path'
import { text } from 'node:stream/consumers'

const root = resolve(import.meta.dirname, '..')

const checks: Record<string, [command: string, ...args: string[]]> = {
  'format and lint': ['biome', 'check', '--error-on-warnings', '.'],
  types: ['tsc', '-p', 'tsconfig.json'],
  'types of the page': ['tsc', '-p', 'web/tsconfig.json'],
  layers: ['node', 'scripts/layers.ts'],
  'configuration document': ['node', 'scripts/configuration.ts', '--check'],
  'dead code': ['knip', '--no-config-hints'],
}

/** Runs all checks and prints what they say; true if all passed. */
export async function run(): Promise<boolean> {
  const passed = await Promise.all(Object.entries(checks).map(([name, command]) => check(name, command)))
  return passed.every(Boolean)
}

async function check(name: string, [command, ...args]: [string, ...string[]]): Promise<boolean> {
  const started = performance.now()
  // The tools of this package on the Node that runs this script, wherever it was started from.
  const path = [dirname(process.execPath), resolve(root, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<boolean>(resolve => {
    child.on('close', code => resolve(code === 0))
    child.on('error', () => resolve(false))
  })
  const [output, errors, ok] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${ok ? '✔' : '✖'} ${name} (${seconds} s)`)
  if (!ok) console.log(`${[command, ...args].join(' ')}\n${output}${errors}`)
  return ok
}

if (import.meta.main) process.exitCode = (await run()) ? 0 : 1
