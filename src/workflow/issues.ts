// What is wrong with a workflow: all of it at once, each with a code and a `$`-path (contracts: workflows §1, §7).
import type { z } from 'zod'
import { RunloomError } from '../core/errors.ts'

export interface Issue {
  code: string
  path: string
  message: string
}

/** A list of issues; the first at a path counts. */
export class Issues {
  readonly #byPath = new Map<string, Issue>()

  add(code: string, path: string, message: string) {
    if (!this.#byPath.has(path)) this.#byPath.set(path, { code, path, message })
  }

  /** What a schema found, below a path. */
  addParsed(error: z.ZodError, below = '$') {
    for (const issue of error.issues.flatMap(innermost)) {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined]
      for (const key of keys) {
        const path = key === undefined ? issue.path : [...issue.path, key]
        const at = `${below}${pathText(path)}`
        this.add(key === undefined ? codeAt(at) : 'UNKNOWN_FIELD', at, key === undefined ? issue.message : 'is unknown')
      }
    }
  }

  get list(): Issue[] {
    return [...this.#byPath.values()]
  }
}

/** Throws what stands in the list as one error. */
export function refuseInvalid(issues: Issue[]): never {
  const lines = issues.map(({ path, message }) => `${path}: ${message}`)
  throw new RunloomError('malformed', lines.join('; '), { details: { issues } })
}

/** Of a union the issues of the alternative that came furthest. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  const deepest = issue.errors.find(errors => errors.some(one => one.path.length > 0))
  if (!deepest) return [issue]
  return deepest.flatMap(one => innermost({ ...one, path: [...issue.path, ...one.path] }))
}

export function pathText(path: readonly PropertyKey[]): string {
  return path.map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
}

const CODES: [where: RegExp, code: string][] = [
  [/^\$\.kind$/, 'INVALID_KIND'],
  [/^\$\.nodes$/, 'MISSING_NODES'],
  [/^\$\.outputs$/, 'MISSING_OUTPUTS'],
  [/^\$\.inputs/, 'INVALID_INPUT_DECL'],
  [/\.(predicate|when)\b/, 'INVALID_CONDITION'],
  [/pointer$|items_path$/, 'INVALID_POINTER'],
  [/(max_\w+|timeout_ms|limit|wait_ttl_ms|backoff_ms)$/, 'INVALID_LIMIT'],
  [/\.(object|merge)(\.\w+|\[\d+\])?$/, 'INVALID_TRANSFORM'],
  [/\.subnode(\.type)?$/, 'INVALID_SUBNODE'],
  [/\.id$/, 'INVALID_NODE_ID'],
  [/^\$\.nodes\[\d+\]\.type$/, 'INVALID_NODE_TYPE'],
]

function codeAt(path: string): string {
  return CODES.find(([where]) => where.test(path))?.[1] ?? 'INVALID_FIELD'
}
