// The official checkpointer suite, on both databases. It is written for vitest's globals: here they are node:test's functions
// under those names, and vitest's own `expect`.
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint'
import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { forEachDatabase } from '../support/databases.ts'
import { checkpointerOf, openMigrated } from './checkpoint-support.ts'

type Case = Record<string, unknown>
type Body = (value: unknown) => void | Promise<void>

/** `describe.each` and `it.each`: `%s` in a name stands for the case, `$key` for a field of it. */
function each(declare: (name: string, body: () => void | Promise<void>) => unknown) {
  return (cases: unknown[]) => (name: string, body: Body) => {
    for (const value of cases) {
      const named = name.replace('%s', String(value)).replace(/\$(\w+)/g, (_, key) => String((value as Case)[key]))
      declare(named, () => body(value))
    }
  }
}

Object.assign(globalThis, {
  afterAll: after,
  afterEach,
  beforeAll: (hook: () => Promise<void>) => before(hook),
  beforeEach,
  describe: Object.assign(describe.bind(undefined), { each: each(describe) }),
  // Outside vitest's runner nothing would collect soft failures: they fail at once.
  expect: Object.assign((value: unknown) => expect(value), { arrayContaining: expect.arrayContaining, soft: expect }),
  it: Object.assign(it.bind(undefined), { each: each(it), skip: it.skip }),
})

const { deltaChannelHistoryTests, validate } = await import('@langchain/langgraph-checkpoint-validation')

forEachDatabase('the official checkpointer suite', open => {
  const databases = new Map<BaseCheckpointSaver, Database>()
  const initializer = {
    checkpointerName: 'runloom',
    async createCheckpointer(): Promise<BaseCheckpointSaver> {
      const db = await openMigrated(await open())
      const { checkpointer } = checkpointerOf(db)
      databases.set(checkpointer, db)
      return checkpointer
    },
    async destroyCheckpointer(checkpointer: BaseCheckpointSaver) {
      await databases.get(checkpointer)?.close()
    },
  }
  validate(initializer)
  deltaChannelHistoryTests(initializer)
})
