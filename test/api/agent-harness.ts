// What the suites of memory, skills and MCP share: servers in this process with a lead agent of the test's own, on a model
// that follows a script.
import { readConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/database.ts'
import { runloomFile } from '../../src/protocol/runloom-file.ts'
import { startRuntime } from '../../src/runtime.ts'
import { type ChatMessage, type ChatRequest, type ScriptedReply, startOpenAIServer } from '../support/openai-server.ts'
import { ask } from './gateway-harness.ts'

// biome-ignore lint/suspicious/noExplicitAny: as runloom.yaml has it
type Any = any

export interface AgentServer {
  url: string
  db: Database
  fetch: typeof fetch
  logged: { message: string; fields: Record<string, unknown> | undefined }[]
  close(): Promise<void>
}

export interface AgentSetup {
  /** As in runloom.yaml. */
  agent?: Any
  /** Where the paths in it begin. */
  folder?: string
  /** Of a model that speaks OpenAI's protocol. */
  model_url?: string
  env?: Record<string, string>
}

export async function startAgentServer(database_url: string, setup: AgentSetup = {}): Promise<AgentServer> {
  const { agent = {}, folder = '/nowhere', model_url, env = {} } = setup
  const model = model_url ? { RUNLOOM_MODEL: 'openai:scripted', OPENAI_BASE_URL: model_url } : {}
  const settings = { RUNLOOM_POLL_MS: '50', RUNLOOM_DRAIN_MS: '100', ...model, ...env, DATABASE_URL: database_url }
  const config = await readConfig({ env: settings, cwd: folder })
  const logged: AgentServer['logged'] = []
  const logger = (_level: string, message: string, fields?: Record<string, unknown>) => logged.push({ message, fields })
  const runtime = await startRuntime({ ...config, agent: { ...runloomFile.parse(agent), folder } }, { logger })
  const fetchHere = (async (input, init) => runtime.app.fetch(new Request(input, init))) as typeof fetch
  return { url: 'http://runloom.test', db: runtime.db, fetch: fetchHere, logged, close: () => runtime.close() }
}

/** A model that calls what a message like `call name {"a": 1}` says, then says what the tool answered; `first` is asked before. */
export function startScriptedModel(first: (request: ChatRequest) => ScriptedReply | undefined = () => undefined) {
  return startOpenAIServer({
    script: request => {
      const { messages } = request
      const reply = first(request)
      if (reply) return reply
      const last = messages.at(-1)
      if (last?.role === 'tool') return { text: `The tool said: ${textOf(last)}` }
      const [, name, args] = /^call (\S+) ?(.*)$/s.exec(textOf(last)) ?? []
      return name ? { calls: [{ name, args: JSON.parse(args || '{}') }] } : { text: 'Well.' }
    },
  })
}

/** Asks the lead agent; the text of its answer. */
export async function talk(
  server: AgentServer,
  text: string,
  options: { thread_id?: string; init?: RequestInit; context?: object } = {},
): Promise<string> {
  const { thread_id, init = {}, context } = options
  const path = thread_id ? `/threads/${thread_id}/runs/wait` : '/runs/wait'
  const body = { input: { messages: [{ role: 'user', content: text }] }, ...(context && { context }) }
  const values = await ask(server, path, undefined, { ...init, method: 'POST', body: JSON.stringify(body) })
  if (values.__error__) throw new Error(JSON.stringify(values.__error__))
  return values.messages.at(-1).content
}

export function textOf(message: ChatMessage | undefined): string {
  const content = message?.content ?? ''
  return typeof content === 'string' ? content : content.map(part => part.text ?? '').join('')
}

/** The system message of a request to the model. */
export function systemOf({ messages }: ChatRequest): string {
  return textOf(messages.find(({ role }) => role === 'system'))
}

export function toolsOf({ tools = [] }: ChatRequest): string[] {
  return tools.map(tool => tool.function.name)
}
