// The same graphs in this process without a server: what everything is compared with. The checkpointer is the one in
// memory; what a graph streams is written as the frames that a server would send, and thrown away.
import { MemorySaver } from '@langchain/langgraph'
import { RECORDED_MODES } from '../src/graph/executor-config.ts'
import { chat, noop, REPLY, tokens } from './graphs.ts'
import type { Streamed } from './wire.ts'

const graphs = {
  noop: noop.compile({ checkpointer: new MemorySaver() }),
  tokens: tokens.compile({ checkpointer: new MemorySaver() }),
}
const plainChat = chat.compile()

export function say(content: string) {
  return { messages: [{ role: 'user', content }] }
}

export function runNoop(): Promise<unknown> {
  return graphs.noop.invoke(say('go'), { configurable: { thread_id: crypto.randomUUID() } })
}

/** The no-op with the stream modes that a recording needs, each read and thrown away. */
export async function runNoopRecorded(): Promise<unknown> {
  const options = { configurable: { thread_id: crypto.randomUUID() }, streamMode: [...RECORDED_MODES], subgraphs: true }
  let last: unknown
  for await (const chunk of await graphs.noop.stream(say('go'), options)) last = chunk
  return last
}

/** `onFirst` as in wire.ts. */
export async function streamTokens(content: string, onFirst?: (close: () => void) => void): Promise<Streamed> {
  const started = performance.now()
  const stopped = new AbortController()
  const config = { configurable: { thread_id: crypto.randomUUID() }, signal: stopped.signal }
  const seen = { first_ms: Number.NaN, total_ms: 0, tokens: 0 }
  try {
    for await (const chunk of await graphs.tokens.stream(say(content), { ...config, streamMode: 'messages' })) {
      frame(chunk)
      if (seen.tokens++ > 0) continue
      seen.first_ms = performance.now() - started
      onFirst?.(() => stopped.abort())
    }
  } catch (error) {
    if (!stopped.signal.aborted) throw error
  }
  seen.total_ms = performance.now() - started
  return seen
}

/** One turn on `messages`, with no store at all: the least that any server must do. */
export async function turn(messages: unknown[]): Promise<unknown[]> {
  const state = await plainChat.invoke({ messages: [...messages, ...say('And then?').messages] as never })
  return state.messages
}

/** A thread in memory that has had `turns` turns. */
export async function chatThread(turns: number) {
  const graph = chat.compile({ checkpointer: new MemorySaver() })
  const config = { configurable: { thread_id: crypto.randomUUID() } }
  const earlier = Array.from({ length: turns * 2 - 10 }, (_, index) => ({
    role: index % 2 ? 'assistant' : 'user',
    content: index % 2 ? REPLY : 'And then?',
  }))
  await graph.invoke({ messages: earlier as never }, config)
  for (let index = 0; index < 5; index++) await graph.invoke(say('And then?'), config)
  const state = async () => JSON.stringify(await graph.getState(config))
  const history = async () => {
    const states = []
    for await (const one of graph.getStateHistory(config, { limit: 10 })) states.push(one)
    return JSON.stringify(states)
  }
  return { state, history }
}

function frame(chunk: unknown): string {
  return `event: messages\ndata: ${JSON.stringify(chunk)}\n\n`
}
