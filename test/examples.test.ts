// The examples check themselves; here they are run as the README says.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const EXAMPLES = join(import.meta.dirname, '../examples')

for (const file of readdirSync(EXAMPLES).filter(name => name.endsWith('.ts'))) {
  test(`examples/${file} runs and finds what it promises`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(EXAMPLES, file)])
    assert.match(stdout, /\.\n$/, 'it ends with a sentence on what it found')
  })
}
