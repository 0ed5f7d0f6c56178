// The agent that every server has before anyone wrote a graph. It is one graph, whatever a run asks for: middlewares read
// the run's options (run-options.ts) and change the model call, so that every run can read every other's state. They wrap
// calls wherever that is enough: a hook before or after the model would be a step, with its checkpoint, in every turn.

import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { SystemMessage } from '@langchain/core/messages'
import type { StructuredToolInterface } from '@langchain/core/tools'
import { type AgentMiddleware, createAgent } from 'langchain'
import { type AgentConfig, runloomFile } from '../protocol/runloom-file.ts'
import { type Models, runModel } from './run-model.ts'
import { toolErrors } from './tool-errors.ts'
import { calculate, currentTime } from './tools.ts'

// A message, because createAgent makes content parts of a string, which not every OpenAI-compatible server takes.
const INSTRUCTIONS = `You are the built-in agent of a Runloom server. Answer briefly and plainly.
Use current_time for the date or the time, and calculate for arithmetic; never guess either.
If a tool reports an error, say what it was.`

/** Middlewares that others make, by their place in the order. Each brings its own tools. */
export interface LeadAgentSlots {
  files?: AgentMiddleware | undefined
  uploads?: AgentMiddleware | undefined
  memory?: AgentMiddleware | undefined
  skills?: AgentMiddleware | undefined
  mcp?: AgentMiddleware | undefined
}

export interface LeadAgentParts extends LeadAgentSlots {
  /** The model of runs that name none. */
  model: BaseChatModel
  /** Those that runs may name. */
  models?: Models
  /** The defaults, without one. */
  config?: AgentConfig
  /** Beside the agent's own. */
  tools?: readonly StructuredToolInterface[]
}

/** The lead agent, without checkpointer or store. Its compiled graph is `.graph`. */
export function leadAgent({ model, models, config = runloomFile.parse({}), tools = [], ...slots }: LeadAgentParts) {
  const { system_prompt } = config.agent
  return createAgent({
    name: 'lead_agent',
    model,
    tools: [currentTime, calculate, ...tools],
    systemPrompt: new SystemMessage(system_prompt ? `${system_prompt}\n\n${INSTRUCTIONS}` : INSTRUCTIONS),
    middleware: present([
      slots.files,
      slots.uploads,
      models && runModel(models, config),
      toolErrors,
      slots.memory,
      slots.skills,
      slots.mcp,
    ]),
  })
}

function present(middlewares: readonly (AgentMiddleware | undefined)[]): AgentMiddleware[] {
  return middlewares.filter(middleware => middleware !== undefined)
}
