// What a run is given to do, and the lines its thread must have gained when it is done: `<tag>:<at>` of the counting
// graphs, one line a message of the others.
import type { Random } from '../simulation/random.ts'

export interface Work {
  assistant_id: string
  input: Record<string, unknown>
  /** What a complete run adds to the thread, in order. */
  lines: string[]
  /** Of these, what nodes added; in any order where they run in parallel. */
  produced: string[]
  /** The lines that its nodes leave in the file of effects. */
  effects: string[]
}

const range = (count: number) => Array.from({ length: count }, (_, at) => at)

type Make = (tag: string, random: Random) => Work

function counting(assistant_id: string, around: (lines: string[], tag: string) => string[]): Make {
  return (tag, random) => {
    const [count, delay_ms] = [random.between(2, 7), random.between(5, 110)]
    const effects = range(count).map(at => `${tag}:${at}`)
    const lines = around(effects, tag)
    return { assistant_id, input: { tag, at: 0, count, delay_ms }, lines, produced: lines, effects }
  }
}

const MAKES = {
  counted: counting('counted', lines => lines),
  outer: counting('outer', (lines, tag) => [`${tag}:before`, ...lines, `${tag}:after`]),
  fan: counting('fan', (lines, tag) => [...lines, `${tag}:closed`]),
  echo: (tag, random) => {
    const text = `${random.between(2, 30)}ms ${tag} ${range(random.between(8, 40)).join(' ')}`
    return saying('echo', text, [`ai:${text}`], [])
  },
  tools: (tag, random) => {
    const rounds = random.between(1, 3)
    const calls = range(rounds).flatMap(at => [
      `ai:${tag} calls ${at}>${tag}-call-${at}`,
      `tool:${tag}-call-${at} noted`,
    ])
    const effects = range(rounds).map(at => `${tag}-call-${at}`)
    return saying('tools', `${tag} ${rounds} ${random.between(2, 40)}`, [...calls, `ai:${tag} is done`], effects)
  },
} satisfies Record<string, Make>

export type Kind = keyof typeof MAKES
export const KINDS = Object.keys(MAKES) as Kind[]

export function work(kind: Kind, tag: string, random: Random): Work {
  return MAKES[kind](tag, random)
}

function saying(assistant_id: string, content: string, produced: string[], effects: string[]): Work {
  const input = { messages: [{ role: 'user', content }] }
  return { assistant_id, input, lines: [`human:${content}`, ...produced], produced, effects }
}

interface Values {
  log?: string[]
  messages?: { type: string; content: string; tool_calls?: { id: string }[] }[]
}

/** The lines of some values, or of one node's update. */
export function linesOf(values: unknown): string[] {
  const { log, messages = [] } = (values ?? {}) as Values
  if (log) return log
  return messages.map(({ type, content, tool_calls = [] }) => {
    const calls = tool_calls.length > 0 ? `>${tool_calls.map(call => call.id).join(',')}` : ''
    return `${type}:${content}${calls}`
  })
}
