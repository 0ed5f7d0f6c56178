// What both databases promise: transactions, bulks, errors, and the functions that SQL may use.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import sql, { type Sql } from 'sql-template-tag'
import { RunloomError } from '../../src/core/errors.ts'
import {
  type Bulk,
  type Database,
  insertMany,
  isRefused,
  mergeBulks,
  openDatabase,
  ping,
  type Row,
  type Statement,
  type Value,
} from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { forEachDatabase } from '../support/databases.ts'
import { execute, executeTogether, increment, lockBoth, portable, refuse } from './transitions.ts'

const pairs = (rows: Row[], conflict?: { ignore?: boolean; replace?: string[] }) =>
  insertMany('pairs', { a: 'text', b: 'text', n: 'bigint' }, conflict)(rows)

forEachDatabase('a database', open => {
  let url: string
  let db: Database
  const run = (...statements: Statement[]) => db.run(execute, statements.map(portable))
  const stored = () => run(sql`select a, b, n from pairs order by a, b`)

  before(async () => {
    url = await open()
    db = await openDatabase(url, { sync: 'normal' })
    await migrate(db)
    await run(
      sql`create table pairs (a text not null, b text not null, n bigint, primary key (a, b))`,
      sql`create table counters (name text primary key, n bigint not null)`,
    )
  })
  after(() => db.close())
  beforeEach(() => run(sql`delete from pairs`, sql`delete from counters`))

  test('commits what a transition wrote and answers with its result', async () => {
    const rows = await run(
      sql`insert into pairs (a, b, n) values ('x', 'y', 1)`,
      sql`select n + 1 as next from pairs where a = ${'x'}`,
    )
    assert.deepEqual({ ...rows[0] }, { next: 2 })
    assert.deepEqual({ ...(await stored())[0] }, { a: 'x', b: 'y', n: 1 })
  })

  test('answers each of the statements that are asked together, in their order', async () => {
    const ask = (...statements: Sql[]) =>
      db.run(
        executeTogether,
        statements.map(({ strings, values }) => ({ strings, values: values as Value[] })),
      )
    const insert = sql`insert into pairs (a, b, n) values ('x', 'y', 1) on conflict do nothing returning a`
    const rows = await ask(
      insert,
      sql`select a from pairs where a = 'none'`,
      sql`select n + 1 as next from pairs`,
      insert,
    )
    assert.deepEqual(
      rows.map(answer => answer.map(row => ({ ...row }))),
      [[{ a: 'x' }], [], [{ next: 2 }], []],
    )
    await assert.rejects(ask(sql`delete from pairs`, sql`select nothing`, sql`select 1 as one`), /nothing/)
    assert.equal((await stored()).length, 1)
  })

  test('undoes all that a refused transition wrote', async () => {
    const statements = [portable(sql`insert into pairs (a, b, n) values ('x', 'y', 1)`)]
    await assert.rejects(db.run(refuse, { statements, how: 'domain' }), /refused/)
    assert.equal((await stored()).length, 0)
  })

  test('undoes only the refused of transitions that were started together', async () => {
    const insert = (a: string) => portable(sql`insert into pairs (a, b, n) values (${a}, '', 0)`)
    const outcomes = await Promise.allSettled([
      db.run(execute, [insert('1')]),
      db.run(refuse, { statements: [insert('2')], how: 'plain' }),
      db.run(execute, [insert('3'), insert('3')]),
      db.run(execute, [insert('4')]),
    ])
    assert.deepEqual(
      outcomes.map(outcome => outcome.status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(
      (await stored()).map(row => row.a),
      ['1', '4'],
    )
  })

  test('a domain error stays one, with its code and details', async () => {
    const error = await db.run(refuse, { statements: [], how: 'domain' }).then(
      () => assert.fail(),
      error => error,
    )
    assert.ok(error instanceof RunloomError)
    assert.equal(error.code, 'conflict')
    assert.equal(error.message, 'refused')
    assert.deepEqual(error.details, { run_id: 'r-1', nested: { n: 1 } })
    assert.equal(isRefused(error), false)
  })

  test('other errors keep their name, message, stack and own fields', async () => {
    const plain = await db.run(refuse, { statements: [], how: 'plain' }).then(
      () => assert.fail(),
      error => error,
    )
    assert.equal(plain.message, 'plain')
    assert.equal(plain.code, 'X_CODE')
    assert.match(plain.stack, /transitions\.ts/)
    assert.ok(!(plain instanceof RunloomError))
    const typeError = await db.run(refuse, { statements: [], how: 'type' }).then(
      () => assert.fail(),
      error => error,
    )
    assert.equal(typeError.name, 'TypeError')
  })

  const refused: Record<string, Statement[]> = {
    'a second row with one key': [sql`insert into pairs (a, b) values ('x', 'y'), ('x', 'y')`],
    'null where it is forbidden': [pairs([{ a: 'x', b: null, n: 1 }])],
    'rows that break a foreign key': [
      sql`insert into run_heads (run_id, attempt, last_seq, ended) values ('?', 0, 0, 0)`,
    ],
    'a statement that makes no sense': [sql`select nothing from nowhere`],
  }
  for (const [what, statements] of Object.entries(refused)) {
    test(`says that it refuses ${what}, so that nobody tries again`, async () => {
      const error = await run(...statements).then(
        () => assert.fail(),
        error => error,
      )
      assert.ok(isRefused(error), `${error.name} ${error.code} ${error.errcode}: ${error.message}`)
    })
  }

  test('concurrent transitions lose no update', async () => {
    await run(sql`insert into counters (name, n) values ('c', 0)`)
    const seen = await Promise.all(Array.from({ length: 50 }, () => db.run(increment, 'c')))
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, index) => index + 1),
    )
  })

  test('transitions that lock each other out are run again, not failed', async () => {
    await run(
      ...['a', 'b', ...Array(30).keys()].map(name => sql`insert into counters (name, n) values (${String(name)}, 0)`),
    )
    await Promise.all([db.run(lockBoth, ['a', 'b']), db.run(lockBoth, ['b', 'a'])])
    const rows = await run(sql`select n from counters where name in ('a', 'b')`)
    assert.deepEqual(
      rows.map(row => row.n),
      [2, 2],
    )
  })

  test('rows come in the order asked for, numbers as numbers, null as null', async () => {
    await run(pairs([3, 1, 2].map(n => ({ a: `a${n}`, b: 'b', n: n === 1 ? null : n * 2 ** 40 }))))
    const rows = await run(sql`select a, n from pairs order by a desc`)
    assert.deepEqual(
      rows.map(row => [row.a, row.n]),
      [
        ['a3', 3 * 2 ** 40],
        ['a2', 2 ** 41],
        ['a1', null],
      ],
    )
  })

  test('text survives as it is: quotes, backslashes, arrays of it, every plane of Unicode', async () => {
    const texts = ['', 'null', 'NULL', '{a,"b"}', '\\', '"', "'; drop", '\n\t', 'é', '日本', '😀', '\u2028']
    await run(pairs(texts.map((b, n) => ({ a: 't', b, n }))))
    const rows = await run(sql`select b from pairs order by n`)
    assert.deepEqual(
      rows.map(row => row.b),
      texts,
    )
  })

  describe('bulks', () => {
    test('write nothing for no rows', async () => {
      await run(pairs([]), pairs([], { replace: ['a', 'b'] }))
      assert.equal((await stored()).length, 0)
    })

    test('insert, keeping the stored row on ignore', async () => {
      await run(
        pairs([{ a: '1', b: '', n: 1 }]),
        pairs(
          [1, 2].map(n => ({ a: `${n}`, b: '', n: 10 })),
          { ignore: true },
        ),
      )
      assert.deepEqual(
        (await stored()).map(row => [row.a, row.n]),
        [
          ['1', 1],
          ['2', 10],
        ],
      )
    })

    test('replace what is not key', async () => {
      const replace = ['a', 'b']
      await run(
        pairs([{ a: '1', b: '', n: 1 }]),
        pairs(
          [1, 2].map(n => ({ a: `${n}`, b: '', n: 10 })),
          { replace },
        ),
      )
      assert.deepEqual(
        (await stored()).map(row => [row.a, row.n]),
        [
          ['1', 10],
          ['2', 10],
        ],
      )
    })

    test('take thousands of rows', async () => {
      await run(pairs(Array.from({ length: 5_000 }, (_, n) => ({ a: 'many', b: `${n}`, n }))))
      assert.deepEqual((await run(sql`select count(*) as n from pairs`))[0]?.n, 5_000)
    })

    test('of one statement become one, in order; with a key the last row of each key counts', async () => {
      const replace = ['a', 'b']
      const merged = mergeBulks([
        pairs([{ a: '1', b: '', n: 1 }], { replace }),
        pairs([{ a: '9', b: '', n: 9 }]),
        pairs([{ a: '2', b: '', n: 2 }], { replace }),
        pairs([{ a: '1', b: '', n: 3 }], { replace }),
      ])
      assert.deepEqual(
        merged.map(bulk => bulk.rows.map(row => row.n)),
        [[3, 2], [9]],
      )
      await run(...merged)
      assert.deepEqual(
        (await stored()).map(row => row.n),
        [3, 2, 9],
      )
    })

    test('merging leaves the bulks it was given as they were', () => {
      const given: Bulk[] = [pairs([{ a: '1', b: '', n: 1 }]), pairs([{ a: '2', b: '', n: 2 }])]
      mergeBulks(given)
      assert.deepEqual(
        given.map(bulk => bulk.rows.length),
        [1, 1],
      )
    })
  })

  test('now_ms() and now_iso() are the moment of the statement, in milliseconds', async () => {
    const earliest = Date.now()
    const [row] = await run(sql`select now_ms() as ms, now_iso() as iso`)
    const latest = Date.now()
    assert.ok(typeof row?.ms === 'number' && row.ms >= earliest - 1 && row.ms <= latest + 1, `${row?.ms}`)
    assert.match(String(row.iso), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.ok(Math.abs(Date.parse(String(row.iso)) - row.ms) <= 2)
  })

  test('close() lets everything that was asked for finish first', async () => {
    const other = await openDatabase(url, { sync: 'normal', connections: 2 })
    const asked = Array.from({ length: 20 }, (_, n) =>
      other.run(execute, [portable(sql`insert into pairs (a, b, n) values ('closing', ${String(n)}, ${n})`)]),
    )
    let finished = 0
    for (const one of asked) void one.then(() => finished++)
    await other.close()
    await setImmediate()
    assert.equal(finished, 20)
  })

  test('a closed database refuses, it does not hang', async () => {
    const other = await openDatabase(url)
    await other.run(ping, undefined)
    await other.close()
    await assert.rejects(other.run(ping, undefined))
  })
})
