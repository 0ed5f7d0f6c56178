// What zod finds wrong with a configuration, in words for whoever wrote it.
import type { z } from 'zod'
import { keysAt } from '../protocol/schema-tree.ts'

/** A fault and the key that has it. */
export interface Fault {
  path: readonly PropertyKey[]
  message: string
}

type Issue = z.core.$ZodIssue

/** The faults of a value that its schema refused. */
export function faultsOf(schema: z.ZodType, error: z.ZodError): Fault[] {
  return error.issues.flatMap(decisive).flatMap<Fault>(issue => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: inWords(issue) }]
    return issue.keys.map(key => unknownKey(schema, [...issue.path, key]))
  })
}

export function unknownKey(schema: z.ZodType, path: readonly PropertyKey[]): Fault {
  const known = keysAt(schema, path.slice(0, -1))
  return { path, message: `there is no such key; use ${known.join(', ')}` }
}

/** `models.0.name: give a string` */
export function faultText({ path, message }: Fault): string {
  return path.length > 0 ? `${path.join('.')}: ${message}` : message
}

/** Of alternatives without a message of their own, what is wrong with the one that fits best. */
function decisive(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return [issue]
  const [best] = issue.errors.toSorted((a, b) => depth(b) - depth(a))
  return (best ?? []).flatMap(inner => decisive({ ...inner, path: [...issue.path, ...inner.path] }))
}

function depth(issues: Issue[]): number {
  return Math.max(0, ...issues.map(({ path }) => path.length))
}

function inWords(issue: Issue): string {
  if (issue.code !== 'invalid_type' || !issue.message.startsWith('Invalid input: ')) return issue.message
  const [, received = ''] = /received (\w+)/.exec(issue.message) ?? []
  const missing = received === 'undefined'
  return missing ? `is missing; give a value (${issue.expected})` : `use ${issue.expected}, not ${received}`
}
