// Conditions (contracts: workflows §3): JSONPath by RFC 9535 over a node's output or its status. Texts are matched by
// RE2's rules, in linear time: a pattern comes from a client and must not be able to hold the process.
import { JSONPathEnvironment } from 'json-p3'
import { RE2JS } from 're2js'
import type { Json } from '../core/json.ts'
import type { Condition } from '../protocol/workflow-spec.ts'

const paths = new JSONPathEnvironment()
// They take patterns too, and hand them to the engine's own regular expressions.
paths.functionRegister.delete('match')
paths.functionRegister.delete('search')

/** What is wrong with a condition, by its field; undefined when it can be asked. */
export function conditionFault({ op, path, value }: Condition): { field: string; message: string } | undefined {
  const fault = path === undefined ? undefined : faultOf(() => paths.compile(path))
  if (fault) return { field: 'path', message: `is no JSONPath: ${fault}` }
  if (op === 'equals' && value === undefined) return { field: 'value', message: 'is missing: equals compares with it' }
  if (op === 'exists' && value !== undefined) return { field: 'value', message: 'must be left out with exists' }
  if (op !== 'matches') return undefined
  if (typeof value !== 'string') return { field: 'value', message: 'must be a regular expression' }
  const wrong = faultOf(() => RE2JS.compile(value))
  return wrong ? { field: 'value', message: `is no regular expression: ${wrong}` } : undefined
}

/** Whether a node's output or status meets a condition; without a path the whole is asked. */
export function holds({ source, op, path, value }: Condition, node: { status: string; output: Json }): boolean {
  const root = source === 'node_status' ? node.status : node.output
  const found: Json[] = path === undefined || path === '$' ? [root] : paths.query(path, root).values()
  if (op === 'exists') return found.some(one => one !== undefined)
  if (op === 'equals') return found.some(one => one === value)
  const pattern = RE2JS.compile(value as string)
  return found.some(one => pattern.matcher(typeof one === 'string' ? one : JSON.stringify(one)).find())
}

function faultOf(attempt: () => unknown): string | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
