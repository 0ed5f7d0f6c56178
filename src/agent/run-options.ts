// What a run asks of the lead agent (contracts: gateway §1.2, §5.1): read from its `context`, where that does not say from
// `config.configurable`. Both are the client's; a value of a wrong type is an error of the run, which names the key.
import { z } from 'zod'
import { RunloomError } from '../core/errors.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'

/** What a page's menus send for "nothing chosen" counts as not said. */
const said = <T extends z.ZodType>(type: T) =>
  z.preprocess(value => (value === null || value === '' ? undefined : value), type.optional())

const runOptions = z.object({
  /** A model by its name; without one, the server's. */
  model_name: said(z.string({ error: 'use the name of a model' })),
  thinking_enabled: said(z.boolean({ error: 'use true or false' })),
  reasoning_effort: said(z.string({ error: 'use a word like "low", "medium" or "high"' })),
  is_plan_mode: said(z.boolean({ error: 'use true or false' })),
  subagent_enabled: said(z.boolean({ error: 'use true or false' })),
  /** Whose skills and memory are meant; without one, the lead agent's. */
  agent_name: said(z.string({ error: 'use a name' })),
})

type Options = z.infer<typeof runOptions>

export interface RunOptions extends Options {
  is_plan_mode: boolean
  subagent_enabled: boolean
}

const KEYS = Object.keys(runOptions.shape) as (keyof Options)[]

/** Where middlewares and tools find them: a `runtime`, or a tool's config. */
export interface RunInput {
  context?: unknown
  configurable?: unknown
}

/** Throws `invalid`, which names the key and what to write. */
export function readRunOptions(
  { context, configurable }: RunInput,
  { plan_mode, subagents }: Pick<AgentConfig, 'plan_mode' | 'subagents'>,
): RunOptions {
  const given = { ...pick(configurable), ...pick(context) }
  const { data, error } = runOptions.safeParse(given)
  if (error) {
    const [issue] = error.issues
    const key = String(issue?.path[0])
    const where = key in pick(context) ? 'context' : 'config.configurable'
    throw new RunloomError('invalid', `${where}.${key}: ${issue?.message}`)
  }
  return {
    ...data,
    is_plan_mode: data.is_plan_mode ?? plan_mode,
    subagent_enabled: data.subagent_enabled ?? subagents.enabled,
  }
}

/** The options in one of the two places, without those it does not say. */
function pick(from: unknown): Partial<Record<keyof Options, unknown>> {
  const fields = (from ?? {}) as Record<string, unknown>
  return Object.fromEntries(
    KEYS.flatMap(key => (fields[key] == null || fields[key] === '' ? [] : [[key, fields[key]]])),
  )
}
