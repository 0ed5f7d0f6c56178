// Which embeddings `store.index.embed` names, and what is said where it names none.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadEmbeddings } from '../../src/graph/embeddings.ts'

const folder = join(import.meta.dirname, '../fixtures/api')
const load = (spec: string) => loadEmbeddings(spec, folder)

test("a file's export: an object with LangChain's interface, or a function from texts to vectors", async () => {
  for (const spec of ['./embeddings.ts:embeddings', './embeddings.ts:embed', 'embeddings.ts:embed']) {
    const embeddings = await load(spec)
    assert.deepEqual(await embeddings.embedQuery('cats'), [1, 0, 0, 0.01])
    assert.deepEqual(await embeddings.embedDocuments(['rain', 'a euro']), [
      [0, 1, 0, 0.01],
      [0, 0, 1, 0.01],
    ])
  }
})

test("a provider's through LangChain", async () => {
  const before = process.env.OPENAI_API_KEY
  process.env.OPENAI_API_KEY = 'a key'
  try {
    const embeddings = await load('openai:text-embedding-3-small')
    assert.equal((embeddings as unknown as { model: string }).model, 'text-embedding-3-small')
  } finally {
    if (before === undefined) delete process.env.OPENAI_API_KEY
    else process.env.OPENAI_API_KEY = before
  }
})

test('what cannot be loaded is named, with the remedy', async () => {
  const cases: [string, RegExp][] = [
    ['cohere:embed-v4.0', /cohere:embed-v4\.0: its package is not installed\. Run: npm install @langchain\/cohere$/],
    ['nobody:x', /"nobody:x" names no embeddings; use provider:model \(.*openai\), or \.\/file\.ts:export$/],
    ['openai:', /names no embeddings/],
    ['openai', /names no embeddings/],
    ['./missing.ts:embed', /\.\/missing\.ts:embed: Cannot find module/],
    ['./embeddings.ts:nothing', /the export is no embeddings and no function$/],
    ['./embeddings.ts:absent', /the export is no embeddings and no function$/],
  ]
  for (const [spec, message] of cases) {
    await assert.rejects(load(spec), (error: Error) => {
      assert.match(error.message, /^store\.index\.embed: /)
      assert.match(error.message, message)
      return true
    })
  }
})
