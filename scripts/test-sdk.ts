// `npm run test:sdk -- <version> [patterns]`: the suites that drive a server with the official SDK, with another version of it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [version, ...patterns] = process.argv.slice(2)
if (!version) {
  console.error('Which version? npm run test:sdk -- 1.8.10')
  process.exit(2)
}

const root = join(import.meta.dirname, '..')
// Inside node_modules, so that the SDK finds its peers.
const folder = mkdtempSync(join(root, 'node_modules/.sdk-'))
const run = (command: string, args: string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1

try {
  writeFileSync(join(folder, 'package.json'), '{"private": true}')
  const install = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--legacy-peer-deps']
  process.exitCode = run('npm', [...install, `@langchain/langgraph-sdk@${version}`])
  if (process.exitCode === 0) {
    const preload = join(root, 'test/support/other-sdk.ts')
    const suites = patterns.length > 0 ? patterns : ['test/api/*.test.ts', 'test/museum/*.test.ts']
    const args = ['scripts/test.ts', `--import=${preload}`, ...suites]
    process.exitCode = run(process.execPath, args, { TEST_SDK: folder })
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
