// The event stream of the workflow runs client: what it takes from the wire, when it resumes, when it ends (contracts:
// workflows §2.4, §10, §12, §13).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { StreamProtocolError, TransportError, WorkflowRunsClient } from '../../src/client/client.ts'
import type { WorkflowEvent } from '../../src/protocol/workflow-events.ts'
import {
  chunks,
  completed,
  failed,
  fakeServer,
  json,
  lines,
  nodeStarted,
  noPauses,
  openStream,
  RUN,
  snapshot,
  started,
} from './fake-server.ts'

const events = `/runs/${RUN}/events`
const whole = [started(1), nodeStarted(2, 'a'), completed(3)]

async function read(reply: Response, reading: { afterSeq?: number; limit?: number } = {}) {
  const { asked, options } = fakeServer(reply)
  const stream = await new WorkflowRunsClient(options).streamEvents(RUN, reading)
  return { asked, seen: await Array.fromAsync(stream) }
}

/** What came before the error, and the error. */
async function readUntilError(reply: Response) {
  const { options } = fakeServer(reply)
  const seen: WorkflowEvent[] = []
  try {
    for await (const event of await new WorkflowRunsClient(options).streamEvents(RUN)) seen.push(event)
  } catch (error) {
    assert.ok(error instanceof StreamProtocolError, String(error))
    return { seen, error }
  }
  throw new assert.AssertionError({ message: 'the stream ended without an error' })
}

describe('what comes over the wire', () => {
  test('run_started, then run_completed, then the end', async () => {
    const { asked, seen } = await read(chunks([lines(started(1), completed(2))]))
    assert.deepEqual(seen, [started(1), completed(2)])
    assert.deepEqual([asked[0]?.method, asked[0]?.path], ['GET', events])
    assert.equal(asked[0]?.headers.get('accept'), 'application/x-ndjson')
    assert.equal(asked[0]?.headers.get('content-type'), null)
  })

  for (const type of ['run_failed', 'run_canceled'] as const) {
    test(`${type} ends it too`, async () => {
      assert.deepEqual((await read(chunks([lines(started(1), failed(2, type))]))).seen, [started(1), failed(2, type)])
    })
  }

  test('nothing is read after the event that ends the run, and the connection is let go', async () => {
    const { options } = fakeServer()
    const stream = openStream()
    const client = new WorkflowRunsClient({ ...options, fetch: async () => stream.response })
    stream.send(lines(completed(1)))
    assert.deepEqual(await Array.fromAsync(await client.streamEvents(RUN)), [completed(1)])
    assert.ok(stream.canceled())
  })

  const odd = nodeStarted(2, 'größe 語 🙂')
  const bytes = new TextEncoder().encode(`\n${lines(started(1))}\r\n\n${lines(odd)}  \n${lines(completed(3))}`)
  for (const size of [1, 2, 3, 7, 64, 1_000]) {
    test(`chunks of ${size} bytes, which cut lines and characters anywhere`, async () => {
      const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.slice(index * size, (index + 1) * size),
      )
      assert.deepEqual((await read(chunks(parts))).seen, [started(1), odd, completed(3)])
    })
  }

  test('a last line without a newline', async () => {
    assert.deepEqual((await read(chunks([lines(...whole).trimEnd()]))).seen, whole)
  })

  const envelope = { envelope_version: 'v2', run_id: RUN, seq: 2, ts: '2026-01-02T03:04:05Z' }
  const bad: [what: string, line: string][] = [
    ['no JSON', '{"type":'],
    ['of an unknown type', JSON.stringify({ ...envelope, type: 'keepalive' })],
    ['without what its type needs', JSON.stringify({ ...envelope, type: 'node_started' })],
    ['with a field too many', JSON.stringify({ ...nodeStarted(2, 'a'), extra: 1 })],
    ['no object', '7'],
  ]
  for (const [what, line] of bad) {
    test(`a line that is ${what}: the events before it, then an error with the line`, async () => {
      const { seen, error } = await readUntilError(chunks([`${lines(started(1))}${line}\n${lines(completed(3))}`]))
      assert.deepEqual(seen, [started(1)])
      assert.equal(error.rawLine, line)
    })
  }

  test('a line that is not UTF-8, and one that ends within a character', async () => {
    const good = new TextEncoder().encode(lines(started(1)))
    for (const rest of [
      [0x22, 0xff, 0x22, 0x0a],
      [0x22, 0xe2, 0x82],
    ]) {
      const { seen, error } = await readUntilError(chunks([new Uint8Array([...good, ...rest])]))
      assert.deepEqual(seen, [started(1)])
      assert.match(error.message, /not UTF-8/)
      assert.ok(error.rawLine?.startsWith('"\ufffd'))
    }
  })

  for (const type of ['application/json', 'text/event-stream', '']) {
    test(`content type "${type}" is refused`, async () => {
      const { options } = fakeServer(new Response(lines(...whole), { headers: { 'content-type': type } }))
      await assert.rejects(new WorkflowRunsClient(options).streamEvents(RUN), StreamProtocolError)
    })
  }

  test('the other name of NDJSON is taken, with a charset', async () => {
    const headers = { 'content-type': 'application/ndjson; charset=utf-8' }
    assert.deepEqual((await read(new Response(lines(...whole), { headers }))).seen, whole)
  })
})

describe('where it begins and ends', () => {
  test('after_seq and limit are sent when they are above 0', async () => {
    const sent = async (reading: object) => (await read(chunks([lines(completed(9))]), reading)).asked[0]?.path
    assert.equal(await sent({ afterSeq: 0, limit: 0 }), events)
    assert.equal(await sent({ afterSeq: -1, limit: -1 }), events)
    assert.equal(await sent({ afterSeq: 4 }), `${events}?after_seq=4`)
    assert.equal(await sent({ limit: 5 }), `${events}?limit=5`)
    assert.equal(await sent({ afterSeq: 4, limit: 5 }), `${events}?after_seq=4&limit=5`)
    assert.equal(await sent({ limit: 20_000 }), `${events}?limit=10000`, 'no more than the server takes at once')
  })

  test('the limit ends it, whatever else comes', async () => {
    const { seen } = await read(chunks([lines(started(1), nodeStarted(2, 'a'), nodeStarted(3, 'b'))]), { limit: 2 })
    assert.deepEqual(
      seen.map(event => event.seq),
      [1, 2],
    )
  })

  test('a run that had ended before where it begins', async t => {
    noPauses(t)
    const over = json({ ...snapshot, status: 'succeeded' })
    const { asked, options } = fakeServer(chunks([]), over, chunks([]))
    assert.deepEqual(
      await Array.fromAsync(await new WorkflowRunsClient(options).streamEvents(RUN, { afterSeq: 9 })),
      [],
    )
    assert.deepEqual(
      asked.map(({ path }) => path),
      [`${events}?after_seq=9`, `/runs/${RUN}`, `${events}?after_seq=9`],
    )
  })

  test('a run that ends while this is found out', async t => {
    noPauses(t)
    const over = json({ ...snapshot, status: 'succeeded' })
    const { options } = fakeServer(chunks([]), over, chunks([lines(completed(10))]))
    const stream = await new WorkflowRunsClient(options).streamEvents(RUN, { afterSeq: 9 })
    assert.deepEqual(await Array.fromAsync(stream), [completed(10)])
  })
})

describe('resuming', () => {
  for (const end of ['break', 'end'] as const) {
    test(`from the last event, when the connection ${end}s before the run`, async t => {
      noPauses(t)
      const { asked, options } = fakeServer(
        chunks([lines(started(1), nodeStarted(2, 'a')), ...(end === 'break' ? ['{"envelope_ver'] : [])], end),
        chunks([lines(nodeStarted(3, 'b'))], end),
        chunks([lines(completed(4))]),
      )
      const stream = await new WorkflowRunsClient(options).streamEvents(RUN)
      const seen = await Array.fromAsync(stream)
      assert.deepEqual(
        seen.map(event => event.seq),
        [1, 2, 3, 4],
      )
      assert.deepEqual(
        asked.map(({ path }) => path),
        [events, `${events}?after_seq=2`, `${events}?after_seq=3`],
      )
    })
  }

  test('the limit counts across connections', async t => {
    noPauses(t)
    const { asked, options } = fakeServer(
      chunks([lines(started(1), nodeStarted(2, 'a'))], 'break'),
      chunks([lines(nodeStarted(3, 'b'), nodeStarted(4, 'c'))]),
    )
    const stream = await new WorkflowRunsClient(options).streamEvents(RUN, { limit: 3 })
    assert.deepEqual(
      (await Array.fromAsync(stream)).map(event => event.seq),
      [1, 2, 3],
    )
    assert.deepEqual(
      asked.map(({ path }) => path),
      [`${events}?limit=3`, `${events}?after_seq=2&limit=1`],
    )
  })

  test('events that come again are not shown again', async t => {
    noPauses(t)
    const { options } = fakeServer(
      chunks([lines(started(1), nodeStarted(2, 'a'))], 'break'),
      chunks([lines(nodeStarted(2, 'a'), completed(3))]),
    )
    assert.deepEqual(await Array.fromAsync(await new WorkflowRunsClient(options).streamEvents(RUN)), whole)
  })

  test('a server that is away for longer than a call would be repeated', async t => {
    noPauses(t)
    const away = Array.from({ length: 12 }, () => new TypeError('fetch failed'))
    const { options } = fakeServer(chunks([lines(started(1))], 'break'), ...away, chunks([lines(completed(2))]))
    const seen = await Array.fromAsync(await new WorkflowRunsClient(options).streamEvents(RUN))
    assert.deepEqual(seen, [started(1), completed(2)])
  })

  test('a server that stays away: what came, then an error', async t => {
    noPauses(t)
    const away = Array.from({ length: 20 }, () => new TypeError('fetch failed'))
    const { asked, options } = fakeServer(chunks([lines(started(1))], 'break'), ...away)
    const seen: WorkflowEvent[] = []
    const reading = (async () => {
      for await (const event of await new WorkflowRunsClient(options).streamEvents(RUN)) seen.push(event)
    })()
    await assert.rejects(reading, (error: unknown) => {
      assert.ok(error instanceof TransportError)
      assert.deepEqual([error.kind, error.retries], ['connection', 19])
      return true
    })
    assert.deepEqual(seen, [started(1)])
    assert.equal(asked.length, 21)
  })

  test('an error of the server ends it', async () => {
    const { options } = fakeServer(chunks([lines(started(1))], 'break'), json({ code: 'NOT_FOUND' }, 404))
    const stream = await new WorkflowRunsClient(options).streamEvents(RUN)
    await assert.rejects(Array.fromAsync(stream), { name: 'ApiError', code: 'NOT_FOUND' })
  })

  test('opening it at first is tried three times', async t => {
    noPauses(t)
    const { asked, options } = fakeServer(json({}, 503), new TypeError('fetch failed'), json({}, 503))
    await assert.rejects(new WorkflowRunsClient(options).streamEvents(RUN), { status: 503 })
    assert.equal(asked.length, 3)
  })

  test('a server that accepts and never answers is given up by the signal, or after headerTimeoutMs', async t => {
    const signals: AbortSignal[] = []
    const silent = (_: unknown, signal: AbortSignal) => {
      signals.push(signal)
      return new Promise<Response>(() => {})
    }
    const client = new WorkflowRunsClient(fakeServer(silent, silent).options)
    const gone = new AbortController()
    const opening = client.streamEvents(RUN, { signal: gone.signal })
    gone.abort(new Error('enough'))
    await assert.rejects(opening, /enough/)
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const late = client.streamEvents(RUN, { headerTimeoutMs: 1_000 })
    t.mock.timers.tick(1_000)
    await assert.rejects(late, { name: 'TransportError', kind: 'timeout' })
    assert.ok(signals.every(signal => signal.aborted))
    await assert.rejects(client.streamEvents(RUN, { signal: AbortSignal.abort(new Error('before')) }), /before/)
    await assert.rejects(client.streamEvents(RUN, { headerTimeoutMs: 0 }), { field: 'headerTimeoutMs' })
  })

  test('once it is open its signal ends it as cancel does, and headerTimeoutMs is over', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const connection = openStream()
    const gone = new AbortController()
    const { options } = fakeServer(connection.response)
    const how = { signal: gone.signal, headerTimeoutMs: 1_000 }
    const reading = Array.fromAsync(await new WorkflowRunsClient(options).streamEvents(RUN, how))
    t.mock.timers.tick(10_000)
    connection.send(lines(started(1)))
    await new Promise(resolve => setImmediate(resolve))
    gone.abort()
    assert.deepEqual(await reading, [started(1)])
    assert.ok(connection.canceled())
  })

  test('it may be silent for as long as it likes', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const stream = openStream()
    const { options } = fakeServer(stream.response)
    const reading = Array.fromAsync(await new WorkflowRunsClient(options).streamEvents(RUN))
    t.mock.timers.tick(86_400_000)
    stream.send(lines(completed(1)))
    assert.deepEqual(await reading, [completed(1)])
  })
})

describe('the handle', () => {
  test('knows the request by its id, the newest after a resume', async t => {
    noPauses(t)
    const first = openStream({ 'x-modelrelay-request-id': 'one' })
    const second = openStream({ 'x-request-id': 'two' })
    const { options } = fakeServer(first.response, second.response)
    const stream = await new WorkflowRunsClient(options).streamEvents(RUN)
    assert.equal(stream.requestId, 'one')
    first.send(lines(started(1)))
    first.break()
    second.send(lines(completed(2)))
    await Array.fromAsync(stream)
    assert.equal(stream.requestId, 'two')
  })

  test('cancel drops what is buffered and ends the iteration; nothing is sent', async () => {
    const connection = openStream()
    const { asked, options } = fakeServer(connection.response)
    const stream = await new WorkflowRunsClient(options).streamEvents(RUN)
    connection.send(lines(...whole))
    const seen: number[] = []
    for await (const event of stream) {
      seen.push(event.seq)
      stream.cancel()
    }
    assert.deepEqual(seen, [1])
    assert.ok(connection.canceled())
    assert.deepEqual(await Array.fromAsync(stream), [])
    assert.equal(asked.length, 1)
  })

  test('cancel ends a read that waits, one that was not begun, and a resume', async () => {
    const silent = openStream()
    const one = await new WorkflowRunsClient(fakeServer(silent.response).options).streamEvents(RUN)
    const waiting = Array.fromAsync(one)
    one.cancel()
    assert.deepEqual(await waiting, [])
    assert.ok(silent.canceled())

    const unread = openStream()
    const two = await new WorkflowRunsClient(fakeServer(unread.response).options).streamEvents(RUN)
    two.cancel()
    assert.ok(unread.canceled())
    assert.deepEqual(await Array.fromAsync(two), [])

    const resuming = Promise.withResolvers<void>()
    const { options } = fakeServer(chunks([lines(started(1))], 'break'), () => {
      resuming.resolve()
      return new Promise(() => {})
    })
    const three = await new WorkflowRunsClient(options).streamEvents(RUN)
    const reading = Array.fromAsync(three)
    await resuming.promise
    three.cancel()
    assert.deepEqual(await reading, [started(1)])
  })

  test('leaving the loop, and the block that it is used in, cancels', async () => {
    const left = openStream()
    left.send(lines(started(1)))
    for await (const event of await new WorkflowRunsClient(fakeServer(left.response).options).streamEvents(RUN)) {
      assert.equal(event.seq, 1)
      break
    }
    assert.ok(left.canceled())

    const disposed = openStream()
    {
      await using stream = await new WorkflowRunsClient(fakeServer(disposed.response).options).streamEvents(RUN)
      assert.equal(stream.requestId, undefined)
    }
    assert.ok(disposed.canceled())
  })
})
