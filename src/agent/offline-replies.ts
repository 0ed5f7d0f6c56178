// The rules by which the offline model answers: pure functions of the conversation, one reply for one input.

import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { type Plan, planOf, writeTodos } from './offline-plan.ts'
import { type ToolRequest, toolRequests } from './offline-tools.ts'
import { isSystemNote } from './system-note.ts'

/** Either a text or tool calls, never both. */
export type Reply = { text: string; calls: ToolRequest[] }

const CONNECT = 'To talk to a real model, set RUNLOOM_MODEL=provider:name (for example openai:gpt-5-mini) and restart.'
const ABILITIES = 'I can count ("count to 20"), tell the time, do arithmetic and answer questions about Runloom.'
const MODEL = "I am Runloom's offline model, a few fixed rules."
const GREETING = `Hello! I am Runloom's offline model: a few fixed rules, no network, no intelligence. ${ABILITIES} ${CONNECT}`
const NO_RULE = `I have no rule for that: I am Runloom's offline model, not a language model. ${ABILITIES} ${CONNECT}`

const MOST_COUNTED = 1000

// First match wins, so the narrow topics stand before the wide ones.
const FACTS: [topic: RegExp, fact: string][] = [
  [
    /\b(models?|providers?|openai|anthropic|ollama|api key)\b/i,
    `You are talking to the offline model, which is only a few fixed rules. ${CONNECT}`,
  ],
  [
    /\b(crash\w*|kill\w*|recover\w*|restart\w*|dies?|death)\b/i,
    'When a process dies, another claims its runs after the lease has passed and goes on from the newest checkpoint. ' +
      'Readers reconnect with their cursor and see every event once.',
  ],
  [
    /\b(stream\w*|join\w*|resum\w+|replay\w*|reconnect\w*|last-event-id|events?)\b/i,
    'Every event is stored before it is sent. So any reader can join a run, replay it from any cursor and follow it ' +
      'live; after a disconnect it sends Last-Event-ID and goes on where it was.',
  ],
  [
    /\b(databases?|sqlite|postgres|storage)\b/i,
    'Runloom keeps everything in one SQLite file by default, and in Postgres when DATABASE_URL names one.',
  ],
  [
    /\b(graphs?|langgraph|langgraph\.json|deploy)\b/i,
    'Name your own LangGraph.js graphs in langgraph.json, as "graphs": {"name": "./file.ts:export"}. ' +
      'The server gives them its checkpointer and store.',
  ],
  [/\b(sdk|clients?|api)\b/i, 'Runloom speaks the LangGraph Agent Server API: the official SDK works unchanged.'],
  [
    /\bcheckpoints?\b/i,
    'A checkpoint is the state of a thread after one step of a run; a run goes on from its newest.',
  ],
  [/\bthreads?\b/i, 'A thread is a conversation: it owns its checkpoints, and one run executes on it at a time.'],
  [/\bruns?\b/i, 'A run is one execution of an assistant on a thread. It is a row that a worker claims under a lease.'],
  [
    /\brunloom\b/i,
    'Runloom is a self-hosted server for agent runs: a run, and its stream, survive the death of anything.',
  ],
]

/** The reply to a conversation; calls only tools whose names are in `tools`. */
export function replyTo(conversation: BaseMessage[], tools: ReadonlySet<string>): Reply {
  const messages = conversation.filter(message => !isSystemNote(message))
  const asked = messages.findLastIndex(message => HumanMessage.isInstance(message))
  const question = messages[asked]?.text.replace(/^<uploaded_files>.*?<\/uploaded_files>/s, '').trim() ?? ''
  if (isAnswer(messages, asked)) return say(`Your answer is "${question}". ${MODEL} I asked because you told me to.`)
  const plan = tools.has('write_todos') ? planOf(question, messages.slice(asked + 1)) : undefined
  if (plan) return worked(plan, tools, messages)

  const results = messages.slice(messages.findLastIndex(message => !ToolMessage.isInstance(message)) + 1)
  if (results.length > 0) return say(results.map(result => sentenceOf(result, messages)).join(' '))
  return answerTo(question, tools)
}

function answerTo(question: string, tools: ReadonlySet<string>): Reply {
  const wanted = toolRequests(question)
  const [, limit] = /\bcount (?:up )?to (\d+)/i.exec(question) ?? []
  if (limit !== undefined && wanted[0]?.name !== 'task') return say(countTo(Number(limit)))

  const calls = wanted.filter(call => tools.has(call.name))
  if (calls.length > 0) return { text: '', calls }
  if (wanted[0]) return say(`I cannot answer that here: the tool ${wanted[0].name} is not bound to me.`)

  if (question === '' || /^(hi|hello|hey|greetings|good (morning|day|afternoon|evening))\b/i.test(question)) {
    return say(GREETING)
  }
  return say(FACTS.find(([topic]) => topic.test(question))?.[1] ?? NO_RULE)
}

/** The next step of a plan: the tools that an item takes, the plan as it then stands, or all the answers. */
function worked({ items, at, results }: Plan, tools: ReadonlySet<string>, messages: BaseMessage[]): Reply {
  const item = items[at]
  const { calls } = item === undefined || results[at]?.length ? { calls: [] } : answerTo(item, tools)
  if (calls.length > 0) return { text: '', calls }
  if (at < items.length) return { text: '', calls: [writeTodos(items, at + 1)] }
  const answers = items.map((item, index) => {
    const said = results[index]?.map(result => sentenceOf(result, messages)).join(' ')
    return `${index + 1}. ${said || answerTo(item, tools).text}`
  })
  return say(`${MODEL} The plan is done:\n${answers.join('\n')}`)
}

/** Whether the user's last message is the answer to a question of ours. */
function isAnswer(messages: readonly BaseMessage[], asked: number): boolean {
  const before = messages[asked - 1]
  return ToolMessage.isInstance(before) && before.name === 'ask_clarification' && asked === messages.length - 1
}

function say(text: string): Reply {
  return { text, calls: [] }
}

function countTo(limit: number): string {
  const last = Math.min(limit, MOST_COUNTED)
  const numbers = Array.from({ length: last }, (_, index) => index + 1).join(', ')
  if (last < limit) return `${numbers}. I stop here: I count to ${MOST_COUNTED} at most.`
  return last === 0 ? 'There is nothing to count.' : `${numbers}.`
}

function sentenceOf(result: BaseMessage, messages: BaseMessage[]): string {
  if (!ToolMessage.isInstance(result)) return ''
  if (result.status === 'error') return `The tool ${result.name} reports an error: ${result.text}`
  if (result.name === 'current_time') return `It is now ${result.text}.`
  if (result.name === 'task') return `${MODEL} My sub-agent, which is the same, says: ${result.text}`
  if (result.name === 'ask_clarification')
    return `Your answer is "${result.text}". ${MODEL} I asked because you told me to.`
  const call = messages
    .flatMap(message => (AIMessage.isInstance(message) ? (message.tool_calls ?? []) : []))
    .find(({ id }) => id === result.tool_call_id)
  return call?.name === 'calculate'
    ? `${call.args.expression} is ${result.text}.`
    : `The tool ${result.name} says: ${result.text}`
}
