// The SQLite thread finds a transition by its module and name: each must be exported under the name it gives itself.
import assert from 'node:assert/strict'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Transition } from '../../src/db/database.ts'

const root = join(import.meta.dirname, '../../src')

test('every transition of src is exported under its name by the module it names', async () => {
  let seen = 0
  for await (const file of glob('{db,events,core,graph}/**/*.ts', { cwd: root })) {
    if (/-thread\.ts$/.test(file)) continue // these start working when they are imported
    const { href } = pathToFileURL(join(root, file))
    for (const [name, value] of Object.entries(await import(href))) {
      if (!isTransition(value)) continue
      seen++
      assert.equal(value.name, name, file)
      assert.equal(value.module, href, file)
    }
  }
  assert.ok(seen > 20, `${seen} transitions`)
})

test('no transition is declared without being exported', async () => {
  for await (const file of glob('**/*.ts', { cwd: root })) {
    const text = await (await import('node:fs/promises')).readFile(join(root, file), 'utf8')
    const declared = [...text.matchAll(/^(.*)\btransition\(\s*import\.meta\.url,\s*'(\w+)'/gm)]
    for (const [, before, name] of declared) {
      if (/^ \*/.test(before as string)) continue // an example in a comment
      assert.match(before as string, new RegExp(`^export const ${name} = $`), `${file}: ${name}`)
    }
  }
})

function isTransition(value: unknown): value is Transition<unknown, unknown> {
  return typeof value === 'object' && value !== null && 'steps' in value && 'module' in value
}
