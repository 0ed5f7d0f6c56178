// Reading finished turns for facts about the user, by a model. It is beside the runs: it begins when a thread has been quiet
// for a while, its failures are logged and nothing else, and what it has not read when the process ends is not read.
import { type BaseMessage, HumanMessage, SystemMessage } from '@langchain/core/messages'
import { z } from 'zod'
import { newId } from '../core/ids.ts'
import { errorFields, type Logger } from '../core/logger.ts'
import { addFacts } from '../core/memory.ts'
import type { Database } from '../db/database.ts'
import { createFact } from '../protocol/memory.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import type { Models } from './run-model.ts'

const INSTRUCTIONS = `You read a conversation for what is worth remembering about the user in later ones: who they are, what
they work on, what they prefer, what they have decided. Leave out what only this conversation needs, what the assistant said,
and secrets. Answer with nothing but JSON:
{"facts": [{"content": "one sentence", "category": "preference | knowledge | context | behavior | goal", "confidence": 0.0 to 1.0}]}
An empty list is a good answer.`

/** Characters of a conversation that are read: its end. */
const MAX_CHARACTERS = 24_000
const MAX_FACTS = 20

const answered = z.object({ facts: z.array(createFact).transform(facts => facts.slice(0, MAX_FACTS)) })

export interface Turn {
  owner: string
  thread_id: string
  messages: readonly BaseMessage[]
}

export interface FactExtractionParts {
  db: Database
  models: Models
  config: AgentConfig['memory']
  logger: Logger
}

export class FactExtraction {
  readonly #parts: FactExtractionParts
  readonly #waiting = new Map<string, NodeJS.Timeout>()
  readonly #reading = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(parts: FactExtractionParts) {
    this.#parts = parts
  }

  /** Reads the conversation once no further turn of it has ended for a while. */
  turnEnded(turn: Turn): void {
    if (this.#closing.signal.aborted) return
    const key = JSON.stringify([turn.owner, turn.thread_id])
    clearTimeout(this.#waiting.get(key))
    const begin = () => {
      this.#waiting.delete(key)
      const reading = this.#read(turn)
        .catch(error => this.#failed(error, turn))
        .finally(() => this.#reading.delete(reading))
      this.#reading.add(reading)
    }
    this.#waiting.set(key, setTimeout(begin, this.#parts.config.debounce_seconds * 1_000).unref())
  }

  /** Gives up what waits and what is being read. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const timer of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
    await Promise.all(this.#reading)
  }

  async #read({ owner, thread_id, messages }: Turn): Promise<void> {
    const { db, models, config } = this.#parts
    const model = await models.get(config.extraction_model_name ?? 'default')
    const asked = [new SystemMessage(INSTRUCTIONS), new HumanMessage(transcript(messages))]
    // No callbacks: this call belongs to no run.
    const { text } = await model.invoke(asked, { signal: this.#closing.signal, callbacks: [] })
    const found = answered.parse(JSON.parse(/\{.*\}/s.exec(text)?.[0] ?? ''))
    const facts = found.facts
      .filter(({ confidence }) => confidence >= config.fact_confidence_threshold)
      .map(fact => ({ ...fact, id: newId(), source: thread_id }))
    if (facts.length > 0) await db.run(addFacts, { owner, facts, max_facts: config.max_facts, if_known: 'keep' })
  }

  #failed(error: unknown, { thread_id }: Turn): void {
    if (this.#closing.signal.aborted) return
    this.#parts.logger('warn', 'a conversation could not be read for facts', { thread_id, ...errorFields(error) })
  }
}

/** What was said, without what tools did. */
function transcript(messages: readonly BaseMessage[]): string {
  const lines = messages.flatMap(message => {
    const who = message.type === 'human' ? 'User' : message.type === 'ai' ? 'Assistant' : undefined
    return who && message.text ? [`${who}: ${message.text}`] : []
  })
  return lines.join('\n\n').slice(-MAX_CHARACTERS)
}
