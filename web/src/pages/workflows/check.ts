// What is wrong with the text of a workflow, each at its place: as JSON, by the schema, and by the compiler.
import type { EditorState } from '@codemirror/state'
import { asApiError, request } from '../../api.ts'
import { keysOfPath, placeOf } from './place.ts'
import type { Plan } from './plan.ts'
import { type Fault, faultsOfShape } from './shape.ts'

export interface Problem {
  from: number
  to: number
  severity: 'error' | 'warning'
  message: string
}

export interface Checked {
  problems: Problem[]
  /** Of a workflow that compiles. */
  compiled?: { spec: object; plan: Plan }
}

interface Issue {
  path: string
  message: string
}

/** What `POST /workflows/lint?compile=true` answers: the same issues as compile, and nothing is kept. */
interface Linted {
  lint_issues: Issue[]
  compile_issues?: Issue[]
  plan_json?: Plan
}

/** The compiler's words count where the schema finds fault with the same place. */
export async function checked(state: EditorState): Promise<Checked> {
  const text = state.doc.toString()
  let spec: unknown
  try {
    spec = JSON.parse(text)
  } catch (error) {
    return { problems: [notJson(text, error as Error)] }
  }
  const isCompiledForm = (spec as { kind?: unknown } | null)?.kind === 'workflow.v1'
  try {
    const [linted, faults] = await Promise.all([
      request<Linted>('/api/v1/workflows/lint?compile=true', { method: 'POST', json: spec }),
      isCompiledForm ? [] : faultsOfShape(spec),
    ])
    const { lint_issues, compile_issues = [], plan_json } = linted
    const said = compile_issues.map(({ path, message }): Fault => ({ path: keysOfPath(path), message }))
    const places = new Set(said.map(({ path }) => path.join('/')))
    const errors = [...said, ...faults.filter(({ path }) => !places.has(path.join('/')))]
    const warnings = lint_issues.map(({ path, message }): Fault => ({ path: keysOfPath(path), message }))
    return {
      problems: [
        ...errors.map(fault => problemOf(state, fault, 'error')),
        ...warnings.map(fault => problemOf(state, fault, 'warning')),
      ].sort((a, b) => a.from - b.from),
      ...(plan_json && { compiled: { spec: spec as object, plan: plan_json } }),
    }
  } catch (error) {
    const message = `It could not be checked: ${asApiError(error).message}`
    return { problems: [problemOf(state, { path: [], message }, 'error')] }
  }
}

function problemOf(state: EditorState, { path, message }: Fault, severity: Problem['severity']): Problem {
  return { ...placeOf(state, path), severity, message: path.length > 0 ? `${nameOf(path)}: ${message}` : message }
}

/** `nodes[0].id`. */
function nameOf(path: Fault['path']): string {
  return path.map((key, n) => (typeof key === 'number' ? `[${key}]` : n === 0 ? key : `.${key}`)).join('')
}

/** Where the browser says, or at the end. */
function notJson(text: string, { message }: Error): Problem {
  const [, position] = /position (\d+)/.exec(message) ?? []
  const from = Math.min(position === undefined ? text.length : Number(position), Math.max(0, text.length - 1))
  return { from, to: Math.min(from + 1, text.length), severity: 'error', message: `Not JSON: ${message}` }
}
