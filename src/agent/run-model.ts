// The model that a run asks for takes the place of the server's, for this run alone.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { createMiddleware } from 'langchain'
import { RunloomError } from '../core/errors.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import { readRunOptions } from './run-options.ts'

/** Chat models by name; rejects with an Error that says what to do. */
export interface Models {
  get(name: string, asked?: { thinking?: boolean; reasoning_effort?: string }): Promise<BaseChatModel>
  /** Those to choose from. */
  list(): readonly { name: string }[]
}

export function runModel(models: Models, config: AgentConfig) {
  return createMiddleware({
    name: 'RunModel',
    wrapModelCall: async (request, handler) => {
      const { model_name, thinking_enabled, reasoning_effort } = readRunOptions(request.runtime, config)
      if (model_name === undefined && !thinking_enabled && reasoning_effort === undefined) return handler(request)
      const asked = { ...(thinking_enabled && { thinking: true }), ...(reasoning_effort && { reasoning_effort }) }
      const model = await models.get(model_name ?? 'default', asked).catch(cause => {
        const known = models.list().map(({ name }) => name)
        const message = `model_name: ${(cause as Error).message} This server has ${known.join(', ')}.`
        throw new RunloomError('invalid', message, { cause })
      })
      return handler({ ...request, model })
    },
  })
}
