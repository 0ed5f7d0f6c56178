// The agent that every server has before anyone wrote a graph. It is one graph, whatever a run asks for: middlewares read
// the run's options (run-options.ts) and change the model call, so that every run can read every other's state. They wrap
// calls wherever that is enough: a hook before or after the model would be a step, with its checkpoint, in every turn.

import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { SystemMessage } from '@langchain/core/messages'
import { type AgentMiddleware, createAgent, createMiddleware } from 'langchain'
import { type AgentConfig, runloomFile } from '../protocol/runloom-file.ts'
import { clarification } from './clarification.ts'
import type { FunctionTools } from './function-tools.ts'
import { goal } from './goal.ts'
import { loopDetection } from './loop-detection.ts'
import { modelRetry, modelSilence } from './model-errors.ts'
import { planMode } from './plan-mode.ts'
import { type Models, runModel } from './run-model.ts'
import { subagents } from './subagents.ts'
import { summarization } from './summarization.ts'
import { title } from './title.ts'
import { toolErrors } from './tool-errors.ts'
import { toolResults } from './tool-results.ts'
import { calculate, currentTime } from './tools.ts'
import { askBefore } from './write-approval.ts'

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
  /** Of whoever starts the server in their own program; they stand before the last, the agent's questions. */
  middlewares?: readonly AgentMiddleware[] | undefined
}

export interface LeadAgentParts extends LeadAgentSlots {
  /** The model of runs that name none. */
  model: BaseChatModel
  /** Those that runs and the configuration may name. */
  models?: Models
  /** The defaults, without one. */
  config?: AgentConfig
  /** Beside the agent's own, and those that ask first. */
  functions?: FunctionTools
}

/** Steps of a run that says no limit of its own: a call of the model is one, the tools that it calls another. */
const RECURSION_LIMIT = 200

/** The lead agent, without checkpointer or store. Its compiled graph is `.graph`. */
export function leadAgent({ model, models, config = runloomFile.parse({}), functions, ...slots }: LeadAgentParts) {
  const { system_prompt, model_retries, model_silence_seconds } = config.agent
  const tools = [currentTime, calculate, ...(functions?.tools ?? [])]
  const chosen = models && runModel(models, config)
  const retry = modelRetry(model_retries)
  const summary = config.summarization.enabled ? summarization(config.summarization, models) : undefined
  const loops = loopDetection(config.agent)
  const approved = functions?.approved.length ? approval(functions.approved) : undefined
  const silence = modelSilence(model_silence_seconds * 1000)
  const { files, uploads, memory, skills, mcp, middlewares = [] } = slots
  const below = present([files, chosen, toolResults, retry, toolErrors, summary, skills, mcp, loops, approved, silence])

  // A message, because createAgent makes content parts of a string, which not every OpenAI-compatible server takes.
  const systemPrompt = new SystemMessage(system_prompt ? `${system_prompt}\n\n${INSTRUCTIONS}` : INSTRUCTIONS)
  const agent = createAgent({
    name: 'lead_agent',
    model,
    tools,
    systemPrompt,
    // The first stands outermost. Tokens are counted by whoever runs the graph (graph/model-calls.ts).
    middleware: present([
      files,
      uploads,
      chosen,
      toolResults,
      retry,
      toolErrors,
      summary,
      planMode(config),
      goal,
      memory,
      skills,
      mcp,
      config.title.enabled ? title(config.title, models) : undefined,
      subagents({ model, tools, middleware: below, config }),
      loops,
      approved,
      silence,
      ...middlewares,
      clarification,
    ]),
  })
  return agent.withConfig({ recursionLimit: RECURSION_LIMIT })
}

function approval(tools: readonly string[]): AgentMiddleware {
  return createMiddleware({ name: 'Approval', ...askBefore(tools, 'The agent wants to call a tool') })
}

function present(middlewares: readonly (AgentMiddleware | undefined)[]): AgentMiddleware[] {
  return middlewares.filter(middleware => middleware !== undefined)
}
