// Tools of the user's own (`tools` of runloom.yaml): what `./file.ts:export` names, one LangChain tool or a list of them.
import type { StructuredToolInterface } from '@langchain/core/tools'
import type { AgentConfig } from '../protocol/runloom-file.ts'

export interface FunctionTools {
  tools: StructuredToolInterface[]
  /** The names of those that ask the user before each call. */
  approved: string[]
}

/**
 * `load` imports what stands before the colon. Throws an Error that names the entry, and says what its file has instead of
 * a tool.
 */
export async function functionTools(
  entries: AgentConfig['tools'],
  load: (specifier: string) => Promise<Record<string, unknown>>,
): Promise<FunctionTools> {
  const found: FunctionTools = { tools: [], approved: [] }
  for (const [index, { use, approval }] of entries.entries()) {
    try {
      const tools = toolsIn(await exported(use, load))
      const taken = tools.find(({ name }) => found.tools.some(other => other.name === name))
      if (taken) throw new Error(`there are two tools "${taken.name}"; give one of them another name`)
      found.tools.push(...tools)
      if (approval) found.approved.push(...tools.map(tool => tool.name))
    } catch (cause) {
      throw new Error(`tools[${index}].use: ${use}: ${(cause as Error).message}`, { cause })
    }
  }
  return found
}

async function exported(use: string, load: (specifier: string) => Promise<Record<string, unknown>>): Promise<unknown> {
  const colon = use.lastIndexOf(':')
  const name = use.slice(colon + 1)
  const module = await load(use.slice(0, colon))
  if (name in module) return module[name]
  throw new Error(`no export "${name}"; it exports ${Object.keys(module).join(', ') || 'nothing'}`)
}

function toolsIn(value: unknown): StructuredToolInterface[] {
  return [value].flat().map(one => {
    if (isTool(one)) return one
    throw new Error('no tool; export what tool() of "langchain" returns, or a list of such')
  })
}

/** It may be of another copy of LangChain than ours. */
function isTool(value: unknown): value is StructuredToolInterface {
  if (typeof value !== 'object' || value === null) return false
  const { name, invoke, schema } = value as Partial<StructuredToolInterface>
  return typeof name === 'string' && typeof invoke === 'function' && schema !== undefined
}
