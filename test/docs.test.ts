// The documents: each is in their index, and what they link to is there.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const DOCS = join(import.meta.dirname, '../docs')
const files = readdirSync(DOCS).filter(name => name.endsWith('.md'))
const linksOf = (file: string) =>
  [...readFileSync(join(DOCS, file), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)(#[^)]*)?\)/g)].map(([, to = '']) => to)

test('every document is in docs/README.md', () => {
  const listed = new Set(linksOf('README.md'))
  assert.deepEqual(
    files.filter(name => name !== 'README.md' && !listed.has(name)),
    [],
  )
})

test('documents link to files that exist', () => {
  const broken = files.flatMap(file =>
    linksOf(file)
      .filter(to => !existsSync(join(DOCS, to)))
      .map(to => `${file}: ${to}`),
  )
  assert.deepEqual(broken, [])
})

test('what a clone is told to run, it runs with the Node that it brings', () => {
  const root = join(DOCS, '..')
  const examples = readdirSync(join(root, 'examples')).filter(name => name.endsWith('.ts'))
  const told = [
    'README.md',
    'AGENTS.md',
    ...files.map(name => `docs/${name}`),
    ...examples.map(name => `examples/${name}`),
  ]
  const withAnyNode = told.filter(file =>
    /(?<!npx )\bnode (src|examples|scripts)\//.test(readFileSync(join(root, file), 'utf8')),
  )
  assert.deepEqual(withAnyNode, [])
})
