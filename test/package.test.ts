// The built package, as npm would publish it: its command starts, serves a run, and stops.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { clientOf, startServer } from './support/server.ts'

const root = join(import.meta.dirname, '..')

test('the built command serves', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'runloom-package-'))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')])
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const server = await startServer({
    command: join(folder, 'dist/bin.js'),
    database_url: `sqlite:${join(folder, 'runloom.db')}`,
  })
  try {
    const values = await clientOf(server.url).runs.wait(null, 'steps', { input: { count: 2 } })
    assert.deepEqual((values as { log: string[] }).log, ['step 0', 'step 1'])
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true })
  }
})
