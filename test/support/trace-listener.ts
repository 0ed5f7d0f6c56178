// A callback handler as a provider of traces has it: notes what graphs and model calls of it are told.
import { BaseCallbackHandler } from '@langchain/core/callbacks/base'

interface Heard {
  /** Of the run, or of the model call in it. */
  of: 'graph' | 'model'
  name: string | undefined
  metadata: Record<string, unknown>
}

/** Metadata that providers group traces by. */
export const GROUPING = /langfuse\w*Id|session_id|user_id/

/** `of` has the runs of a thread, newest last. */
export class TraceListener {
  readonly heard: Heard[] = []
  readonly handler = BaseCallbackHandler.fromMethods({
    handleChainStart: (_chain, _inputs, _id, parent, _tags, metadata = {}, _type, name) => {
      if (parent === undefined) this.heard.push({ of: 'graph', name, metadata })
    },
    handleChatModelStart: (_model, _messages, _id, _parent, _extra, _tags, metadata = {}, name) => {
      this.heard.push({ of: 'model', name, metadata })
    },
  })

  constructor() {
    this.handler.awaitHandlers = true
  }

  /** What was told of a thread's runs or of their model calls, oldest first. */
  of(thread_id: string, of: Heard['of']): Heard[] {
    return this.heard.filter(heard => heard.of === of && heard.metadata.thread_id === thread_id)
  }

  /** What its last run was told to be grouped by. */
  grouping(thread_id: string, of: Heard['of'] = 'graph'): Record<string, unknown> {
    const { metadata = {} } = this.of(thread_id, of).at(-1) ?? {}
    return Object.fromEntries(Object.entries(metadata).filter(([key]) => GROUPING.test(key)))
  }
}
