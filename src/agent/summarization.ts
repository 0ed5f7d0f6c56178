// Long conversations (contracts: gateway §4.2): before a model call that would come too near to the model's window, the
// older messages are summed up. The summary is a part of the state of its own and stands before the newer messages in what
// the model sees; `messages` itself stays whole, and so does what people see of it. The library decides when to sum up and
// where to cut, never between a call and its result; here is what becomes of that.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import type { BaseMessage } from '@langchain/core/messages'
import { Command } from '@langchain/langgraph'
import { createMiddleware, summarizationMiddleware } from 'langchain'
import { z } from 'zod'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import type { Models } from './run-model.ts'
import { systemNote } from './system-note.ts'

const stateSchema = z.object({
  /** Stands for the messages before the one of that id. */
  summary: z.object({ text: z.string(), first_kept_id: z.string() }).optional(),
})

type Summary = NonNullable<z.infer<typeof stateSchema>['summary']>

/** The window of a model that nobody knows, in tokens. */
const UNKNOWN_WINDOW = 128_000
const PREFIX = 'What was said before, summed up:'
const PROMPT = `Sum up the conversation below for an assistant that goes on with it and will not see it. Keep what it needs for that: what the user wants, what was found out and decided, names, numbers and files, what is still to be done. Answer with the summary alone.

{messages}`
const TAGS = ['nostream', 'middleware:summarization']
const TRIES: object = { maxRetries: 1 }

export function summarization(config: AgentConfig['summarization'], models: Models | undefined) {
  return createMiddleware({
    name: 'Summarization',
    stateSchema,
    wrapModelCall: async (request, handler) => {
      const { messages, runtime, model: run } = request
      const known = standing(request.state.summary, messages)
      const asked = { config, run: run as BaseChatModel, models, signal: runtime.signal, known }
      const summary = await summed(after(known, messages), asked)
      if (!summary) return handler(known ? { ...request, messages: shown(known, messages) } : request)
      await handler({ ...request, messages: shown(summary, messages) })
      return new Command({ update: { summary } })
    },
  })
}

/** A summary of messages that are gone counts no more. */
function standing(summary: Summary | undefined, messages: readonly BaseMessage[]): Summary | undefined {
  return messages.some(message => message.id === summary?.first_kept_id) ? summary : undefined
}

function after(summary: Summary | undefined, messages: BaseMessage[]): BaseMessage[] {
  return summary ? messages.slice(messages.findIndex(message => message.id === summary.first_kept_id)) : messages
}

/** What the model sees. */
function shown(summary: Summary, messages: BaseMessage[]): BaseMessage[] {
  return [systemNote(`${PREFIX}\n\n${summary.text}`), ...after(summary, messages)]
}

interface Asked {
  config: AgentConfig['summarization']
  /** The model of the run. */
  run: BaseChatModel
  models: Models | undefined
  signal: AbortSignal | undefined
  /** The summary of what was before. */
  known: Summary | undefined
}

/** A summary of the older ones, where it is time for one. When the model for it fails, the run goes on without. */
async function summed(
  messages: BaseMessage[],
  { config, run, models, signal, known }: Asked,
): Promise<Summary | undefined> {
  const own = config.model_name === undefined ? undefined : models?.get(config.model_name)
  const prompt = config.summary_prompt ?? PROMPT
  let failed = false
  const model = {
    profile: { maxInputTokens: run.profile?.maxInputTokens ?? UNKNOWN_WINDOW },
    invoke: async (text: string) => {
      try {
        return await ((await own) ?? run).invoke(text, { tags: TAGS, ...TRIES, ...(signal && { signal }) })
      } catch (error) {
        failed = true
        throw error
      }
    },
  }
  const { beforeModel } = summarizationMiddleware({
    model,
    trigger: config.trigger.map(size),
    keep: size(config.keep),
    trimTokensToSummarize: config.trim_tokens_to_summarize,
    summaryPrompt: known ? prompt.replace('{messages}', () => `${known.text}\n\n{messages}`) : prompt,
    summaryPrefix: PREFIX,
  } as never)
  const hook = typeof beforeModel === 'function' ? beforeModel : beforeModel?.hook
  const result = (await hook?.({ messages } as never, { context: {} } as never)) as
    | { messages?: BaseMessage[] }
    | undefined
  signal?.throwIfAborted()
  const [, said, first] = result?.messages ?? []
  const text = failed ? '' : said?.text.slice(PREFIX.length).trim()
  return text && first?.id !== undefined ? { text, first_kept_id: first.id } : undefined
}

function size({ type, value }: AgentConfig['summarization']['keep']) {
  return { [type]: value }
}
