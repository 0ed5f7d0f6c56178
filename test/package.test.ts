// The built package, as npm would publish it: its command starts, serves its page and a run, and stops; its client
// is found by its name and talks to it; so is the embedded one, which needs no server.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildIfOlder, PAGE } from '../scripts/page.ts'
import { clientOf, startServer } from './support/server.ts'

const root = join(import.meta.dirname, '..')

const USE = `
import { WorkflowRunsClient, workflow } from 'runloom/client'
const client = new WorkflowRunsClient({ baseUrl: process.argv[2], auth: 'none' })
const { run_id } = await client.create(workflow().join('a', []).output('r', 'a').build())
const events = await Array.fromAsync(await client.streamEvents(run_id))
console.log(events.at(-1).type)
`

const EMBED = `
import { RunloomClient } from 'runloom'
await using client = new RunloomClient({ data: process.argv[2], env: {} })
console.log(await client.chat('What is 6 * 7?'))
`

test('the built command serves, and the built client talks to it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'runloom-package-'))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')])
  await buildIfOlder()
  cpSync(PAGE, join(folder, 'dist/web'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const server = await startServer({
    command: join(folder, 'dist/bin.js'),
    database_url: `sqlite:${join(folder, 'runloom.db')}`,
  })
  try {
    const page = await fetch(server.url, { headers: { accept: 'text/html' } })
    assert.equal(page.url, `${server.url}/ui/`)
    const [, script] = /src="([^"]+\.js)"/.exec(await page.text()) ?? []
    assert.equal((await fetch(new URL(script as string, page.url))).status, 200)
    const values = await clientOf(server.url).runs.wait(null, 'steps', { input: { count: 2 } })
    assert.deepEqual((values as { log: string[] }).log, ['step 0', 'step 1'])
    writeFileSync(join(folder, 'use.js'), USE)
    const printed = execFileSync(process.execPath, [join(folder, 'use.js'), `${server.url}/api/v1`], {
      encoding: 'utf8',
    })
    assert.equal(printed.trim(), 'run_completed')
    writeFileSync(join(folder, 'embed.js'), EMBED)
    const said = execFileSync(process.execPath, [join(folder, 'embed.js'), join(folder, 'data')], { encoding: 'utf8' })
    assert.equal(said.trim(), '6 * 7 is 42.')
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true })
  }
})
