// json_contains: metadata filters mean the same on both databases, namely what Postgres' `@>` means.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import sql from 'sql-template-tag'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { forEachDatabase } from '../support/databases.ts'
import { execute, portable } from './transitions.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const CASES: [whole: Json, part: Json, contained: boolean][] = [
  [{ a: 1, b: 2 }, {}, true],
  [{ a: 1, b: 2 }, { a: 1 }, true],
  [{ a: 1 }, { a: 2 }, false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1 }, { a: '1' }, false],
  [{ a: 1 }, { a: 1.0 }, true],
  [{ a: 1e3 }, { a: 1000 }, true],
  [{ a: 0 }, { a: false }, false],
  [{ a: null }, { a: null }, true],
  [{}, { a: null }, false],
  [{ a: { b: { c: 1, d: 2 } } }, { a: { b: { c: 1 } } }, true],
  [{ a: { b: 1 } }, { a: {} }, true],
  [{ a: 1 }, { a: {} }, false],
  [{ a: [1, 2, 3] }, { a: [3, 1] }, true],
  [{ a: [1, 2] }, { a: [1, 1] }, true],
  [{ a: [1, 2] }, { a: [] }, true],
  [{ a: [1, 2] }, { a: [4] }, false],
  [{ a: [1, 2] }, { a: 1 }, false],
  [{ a: 1 }, { a: [1] }, false],
  [{ a: [] }, { a: {} }, false],
  [{ a: {} }, { a: [] }, false],
  [{ a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] }, true],
  [{ a: [[1, 2], [3]] }, { a: [[2]] }, true],
  [{ a: [[1], [2]] }, { a: [[1, 2]] }, false],
  [{ a: [1, [2]] }, { a: [2] }, false],
  [{ a: [null] }, { a: [null] }, true],
  [{ 'a b"': 'ü' }, { 'a b"': 'ü' }, true],
  [{}, { toString: {} }, false],
  [{}, JSON.parse('{"__proto__": {}}'), false],
  [['a', 'b'], 'b', true],
  [['a', ['b']], 'b', false],
  [[1, 2], [2], true],
  ['a', ['a'], false],
  ['a', 'a', true],
]

forEachDatabase('json_contains', open => {
  let db: Database
  before(async () => {
    db = await openDatabase(await open())
    await migrate(db)
  })
  after(() => db.close())

  async function contains(whole: Json, part: Json): Promise<number> {
    const statement = sql`select json_contains(${JSON.stringify(whole)}, ${JSON.stringify(part)}) as found`
    return (await db.run(execute, [portable(statement)]))[0]?.found as number
  }

  for (const [whole, part, contained] of CASES) {
    const name = `${JSON.stringify(whole)} ${contained ? 'contains' : 'does not contain'} ${JSON.stringify(part)}`
    test(name, async () => assert.equal(await contains(whole, part), contained ? 1 : 0))
  }

  test('what was built from a part of something is contained in it', async () => {
    const random = seeded(20_250)
    for (let round = 0; round < 200; round++) {
      const whole = randomJson(random, 3)
      assert.equal(await contains(whole, partOf(whole, random)), 1, JSON.stringify(whole))
    }
  })
})

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

function randomJson(random: () => number, depth: number): Json {
  const kind = Math.floor(random() * (depth > 0 ? 6 : 4))
  if (kind === 0) return null
  if (kind === 1) return random() < 0.5
  if (kind === 2) return Math.round(random() * 1e6) / 8
  if (kind === 3) return ['', 'a', 'ü', '"'][Math.floor(random() * 4)] as string
  const items = Array.from({ length: Math.floor(random() * 4) }, () => randomJson(random, depth - 1))
  return kind === 4 ? items : Object.fromEntries(items.map((item, index) => [`k${index}`, item]))
}

function partOf(whole: Json, random: () => number): Json {
  if (whole === null || typeof whole !== 'object') return whole
  if (Array.isArray(whole)) return whole.filter(() => random() < 0.6).map(item => partOf(item, random))
  const kept = Object.entries(whole).filter(() => random() < 0.6)
  return Object.fromEntries(kept.map(([key, value]) => [key, partOf(value, random)]))
}
