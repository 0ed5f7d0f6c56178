// What is measured of threads and their past: long conversations, disk, reads and replay.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Case } from './cases.ts'
import * as local from './local.ts'
import { figure, inTurns, median, timed } from './measure.ts'
import type { Target } from './server.ts'
import { call, readStream } from './wire.ts'

async function createThread({ urls: [url] }: Target): Promise<string> {
  const { thread_id } = JSON.parse(await call(`${url}/threads`, {})) as { thread_id: string }
  return `${url}/threads/${thread_id}`
}

/** The last turns of a long thread are compared with those of short ones just after: the machine's speed changes. */
const COMPARED = 40
const SHORT = 20

/** A thread on the server, and the same conversation in process. */
async function conversation(target: Target) {
  const body = { assistant_id: 'chat', input: local.say('And then?') }
  const thread = await createThread(target)
  let messages: unknown[] = []
  return {
    thread,
    /** Streams what is new, as a chat does, or waits for the whole state, which grows: each every second turn. */
    async turn(index: number, times?: Times) {
      const ms = await timed(() =>
        index % 2
          ? call(`${thread}/runs/wait`, body)
          : readStream(`${thread}/runs/stream`, { ...body, stream_mode: ['updates'] }),
      )
      times?.[index % 2 ? 'waited' : 'streamed'].push(ms)
      const here = await timed(async () => {
        messages = await local.turn(messages)
      })
      times?.here.push(here)
    },
  }
}

class Times {
  readonly streamed: number[] = []
  readonly waited: number[] = []
  readonly here: number[] = []
}

/** One thread from its first turn to its last: times at both ends, disk, and then reads of it. */
export const longThread: Case = async (target, { turns }, goals) => {
  const [long, short] = [new Times(), new Times()]
  const { thread, turn } = await conversation(target)
  const bytes: number[] = []
  for (let index = 0; index < turns; index++) {
    if (target.bytes && [20, Math.floor(turns / 2), turns - 1].includes(index)) bytes.push(await target.bytes())
    await turn(index, index < turns - COMPARED ? undefined : long)
  }
  for (let round = 0; round < COMPARED / SHORT; round++) {
    const young = await conversation(target)
    for (let index = 0; index < SHORT; index++) await young.turn(index, short)
  }
  const growth = (of: keyof Times) => median(long[of]) / median(short[of])
  const name = `turn ${turns} over turn 10`
  const rows = [
    figure(target.name, `${name}, streamed`, '×', growth('streamed'), { here: growth('here'), goal: goals.turn }),
    figure(target.name, `${name}, waited (answer is the state)`, '×', growth('waited')),
    figure(target.name, `turn ${turns}, streamed`, 'ms', median(long.streamed), { here: median(long.here) }),
  ]
  const [first, middle, last] = bytes
  if (first !== undefined && middle !== undefined && last !== undefined) {
    const half = Math.floor(turns / 2)
    const early = (middle - first) / (half - 20)
    const late = (last - middle) / (turns - 1 - half)
    rows.push(figure(target.name, 'disk per turn, second half', 'KB', late / 1024))
    rows.push(figure(target.name, 'disk per turn, second half over first', '×', late / early, { goal: goals.disk }))
  }
  const here = await local.chatThread(turns)
  const reads = {
    [`state of ${turns} turns`]: [() => call(`${thread}/state`), here.state],
    [`history of ${turns} turns, 10 newest`]: [() => call(`${thread}/history`, { limit: 10 }), here.history],
  } as const
  for (const [what, [remote, local]] of Object.entries(reads)) {
    const sides = await inTurns(
      20,
      () => timed(remote),
      () => timed(local),
    )
    rows.push(figure(target.name, what, 'ms', median(sides.remote), { here: median(sides.here) }))
  }
  return rows
}

/** A finished run, read again from its start. */
export const replay: Case = async (target, { replay }, goals) => {
  const thread = await createThread(target)
  const path = `${thread}/runs`
  const before = await target.bytes?.()
  const input = {
    assistant_id: 'tokens',
    input: local.say(String(replay)),
    stream_mode: ['messages-tuple'],
    stream_resumable: true, // ours always is
  }
  const { run_id } = JSON.parse(await call(path, input)) as { run_id: string }
  // Not by joining: a reader who comes before the run makes the peer's log one that is not kept.
  while (/"status":\s*"(pending|running)"/.test(await call(`${path}/${run_id}`))) await sleep(50)
  const after = await target.bytes?.()
  const url = `${path}/${run_id}/stream?stream_mode=messages-tuple`
  let seen = 0
  const sides = await inTurns(
    5,
    () =>
      timed(async () => {
        seen = (await readStream(url)).tokens
      }),
    () => timed(() => local.streamTokens(String(replay / 5))),
  )
  if (seen < replay) throw new Error(`the replay showed ${seen} of ${replay} tokens`)
  const rate = (replay * 1000) / median(sides.remote)
  const here = (replay * 200) / median(sides.here)
  const rows = [figure(target.name, 'replay of a finished run', 'events/s', rate, { here, goal: goals.replay })]
  if (before !== undefined && after !== undefined) {
    rows.push(figure(target.name, 'disk per token', 'bytes', (after - before) / replay))
  }
  return rows
}
