// What the embedded client makes of a long answer in one-character deltas: all of them over a tenth of them, a piece.
// Linear is 1×.
import { Turn } from '../src/client/embedded-turn.ts'
import type { Case } from './cases.ts'
import { figure, inTurns, median, timed } from './measure.ts'

const ROUNDS = 10

export const deltas: Case = async (target, { deltas }, goals) => {
  const tenth = Math.ceil(deltas / 10)
  const { remote, here } = await inTurns(
    ROUNDS,
    () => timed(async () => accumulate(deltas)),
    () => timed(async () => accumulate(tenth)),
  )
  const per = (times: number[], count: number) => (median(times) * 1000) / count
  const [value, base] = [per(remote, deltas), per(here, tenth)]
  const name = `embedded client, per delta of ${deltas} over ${tenth}`
  return [figure(target.name, name, 'µs', value, { here: base, goal: goals.deltas })]
}

function accumulate(count: number): number {
  const turn = new Turn()
  const pieces: string[] = []
  const take = (mode: string, payload: unknown) => {
    for (const { type, data } of turn.take(mode, payload)) {
      if (type === 'messages-tuple' && data.type === 'ai') pieces.push(data.content)
    }
  }
  for (let n = 0; n < count; n++) take('messages', [{ type: 'AIMessageChunk', content: 'x', id: 'ai-1' }, {}])
  const content = pieces.join('')
  take('values', { messages: [{ type: 'ai', content, id: 'ai-1' }] })
  return content.length
}
