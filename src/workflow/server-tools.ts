// The tools that the server executes for model nodes (contracts: workflows §6). What one changes are rows, which are
// written together with its result: after a crash a call either has a result, or has done nothing.
import { z } from 'zod'
import type { AddressGuard } from '../core/address-guard.ts'
import { jsonText } from '../core/json.ts'
import type { Bulk, Database } from '../db/database.ts'
import { listKeys, readValue, type ValueScope, valueRemoved, valueRow } from './key-values.ts'
import type { MessageToolCall } from './plan.ts'
import type { ToolOutcome } from './records.ts'
import { tasksOf, tasksRow } from './tasks.ts'
import { fetchText } from './web-fetch.ts'

export interface ToolDone {
  outcome: ToolOutcome
  /** What it changes. */
  rows?: Bulk[]
}

export interface ServerTools {
  has(name: string): boolean
  /** Never rejects but with the signal's reason, or where the database does: a tool's failure is an answer for the model. */
  use(call: MessageToolCall, scope: ValueScope, signal: AbortSignal): Promise<ToolDone>
}

export interface ToolPorts {
  db: Database
  /** Where `web_fetch` may go. */
  guard: AddressGuard
}

const MOST_VALUE_BYTES = 256_000
const MOST_KEYS = 1_000

const text = z
  .string()
  .max(256)
  .refine(given => !given.includes('\0'), { error: 'must be without the character NUL' })
const key = text.min(1)

interface Tool {
  arguments: z.ZodType
  use(given: never, scope: ValueScope, ports: ToolPorts, signal: AbortSignal): ToolDone | Promise<ToolDone>
}

function tool<A extends z.ZodType>(
  given: A,
  use: (given: z.output<A>, scope: ValueScope, ports: ToolPorts, signal: AbortSignal) => ToolDone | Promise<ToolDone>,
): Tool {
  return { arguments: given, use }
}

const says = (value: unknown, rows?: Bulk[]): ToolDone => ({
  outcome: { output: typeof value === 'string' ? value : jsonText(value) },
  ...(rows && { rows }),
})

const TOOLS: Record<string, Tool> = {
  kv_write: tool(z.object({ key, value: z.json() }), ({ key, value }, scope) => {
    const bytes = Buffer.byteLength(jsonText(value))
    if (bytes > MOST_VALUE_BYTES) return fails(`value: is ${bytes} bytes of JSON; at most ${MOST_VALUE_BYTES} are kept`)
    return says({ key, written: true }, [valueRow(scope, key, value)])
  }),
  kv_read: tool(z.object({ key }), async ({ key }, scope, { db }) => {
    const text = await db.run(readValue, { ...scope, key })
    return says({ key, found: text !== null, value: text === null ? null : JSON.parse(text) })
  }),
  kv_list: tool(z.object({ prefix: text.default('') }), async ({ prefix }, scope, { db }) =>
    says({ keys: await db.run(listKeys, { ...scope, prefix, limit: MOST_KEYS }) }),
  ),
  kv_delete: tool(z.object({ key }), async ({ key }, scope, { db }) => {
    const deleted = (await db.run(readValue, { ...scope, key })) !== null
    return says({ key, deleted }, [valueRemoved(scope, key)])
  }),
  tasks_write: tool(tasksOf, ({ tasks }, { run_id }) => says({ written: tasks.length }, [tasksRow(run_id, tasks)])),
  web_fetch: tool(z.object({ url: z.string().min(1).max(8_192) }), async ({ url }, _scope, { guard }, signal) => {
    try {
      return says(await fetchText(url, guard, signal))
    } catch (error) {
      if (signal.aborted) throw error
      return fails(`the page could not be read: ${(error as Error).message}`)
    }
  }),
}

function fails(error: string): ToolDone {
  return { outcome: { output: '', error } }
}

export function serverTools(ports: ToolPorts): ServerTools {
  return {
    has: name => Object.hasOwn(TOOLS, name),
    async use({ function: { name, arguments: text } }, scope, signal) {
      const found = TOOLS[name] as Tool
      const given = argumentsOf(found.arguments, text)
      if ('fault' in given) return fails(`${name}: ${given.fault}`)
      return found.use(given.value as never, scope, ports, signal)
    },
  }
}

function argumentsOf(schema: z.ZodType, text: string): { value: unknown } | { fault: string } {
  let value: unknown
  try {
    value = JSON.parse(text || '{}')
  } catch {
    return { fault: 'the arguments are no JSON' }
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  return { fault: `${issue?.path.join('.') || 'arguments'}: ${issue?.message}` }
}
