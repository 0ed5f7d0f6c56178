// The tools that the server executes for model nodes (contracts: workflows §6).
import type { MessageToolCall } from './plan.ts'
import type { ToolOutcome } from './records.ts'

export interface ServerTools {
  has(name: string): boolean
  /** Never rejects but with the signal's reason: a tool's failure is an answer for the model. */
  use(call: MessageToolCall, signal: AbortSignal): Promise<ToolOutcome>
}

/** For a server that has none of its own. */
export const NO_TOOLS: ServerTools = {
  has: () => false,
  use: async ({ function: { name } }) => ({ output: '', error: `this server has no tool ${name}` }),
}
