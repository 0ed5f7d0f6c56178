// The model that a run asks for takes the place of the server's, for this run alone.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { createMiddleware } from 'langchain'
import { RunloomError } from '../core/errors.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import { readRunOptions } from './run-options.ts'

/** Chat models by name; rejects with an Error that says which there are, or what to do. */
export interface Models {
  get(name: string): Promise<BaseChatModel>
}

export function runModel(models: Models, config: AgentConfig) {
  return createMiddleware({
    name: 'RunModel',
    wrapModelCall: async (request, handler) => {
      const { model_name } = readRunOptions(request.runtime, config)
      if (model_name === undefined) return handler(request)
      const model = await models.get(model_name).catch(cause => {
        throw new RunloomError('invalid', (cause as Error).message, { cause })
      })
      return handler({ ...request, model })
    },
  })
}
