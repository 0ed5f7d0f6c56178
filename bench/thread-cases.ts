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

/** One thread from its first turn to its last: times at both ends, disk, and then reads of it. */
export const longThread: Case = async (target, { turns }, goals) => {
  const body = { assistant_id: 'chat', input: local.say('And then?') }
  const warm = await createThread(target)
  for (let index = 0; index < 40; index++) await call(`${warm}/runs/wait`, body)
  const thread = await createThread(target)
  // Streaming what is new, as a chat does, and waiting for the whole state, which grows: each every second turn.
  const times = { stream: [] as number[], wait: [] as number[], here: [] as number[] }
  const bytes: number[] = []
  let messages: unknown[] = []
  for (let index = 0; index < turns; index++) {
    if (index % 2) times.wait.push(await timed(() => call(`${thread}/runs/wait`, body)))
    else
      times.stream.push(await timed(() => readStream(`${thread}/runs/stream`, { ...body, stream_mode: ['updates'] })))
    times.here.push(
      await timed(async () => {
        messages = await local.turn(messages)
      }),
    )
    if (target.bytes && [20, Math.floor(turns / 2), turns - 1].includes(index)) bytes.push(await target.bytes())
  }
  const ends = (of: number[], share: number) =>
    [median(of.slice(share, share * 5)), median(of.slice(-share * 4))] as const
  const growth = (of: number[], share: number) => {
    const [early, late] = ends(of, share)
    return late / early
  }
  const name = `turn ${turns} over turn 10`
  const rows = [
    figure(target.name, `${name}, streamed`, '×', growth(times.stream, 2), {
      here: growth(times.here, 4),
      goal: goals.turn,
    }),
    figure(target.name, `${name}, waited (answer is the state)`, '×', growth(times.wait, 2)),
    figure(target.name, `turn ${turns}, streamed`, 'ms', ends(times.stream, 2)[1], { here: ends(times.here, 4)[1] }),
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
