// Every rule of contracts: workflows §7 about the intent form, checked at once: first each part's shape, then what the
// parts say of each other. It reads raw JSON, because a fault in one place must not hide another.
import type { Json } from '../core/json.ts'
import * as protocol from '../protocol/workflow-spec.ts'
import { conditionFault } from './conditions.ts'
import { cyclic, dependenciesOf } from './dependencies.ts'
import { type Issue, Issues } from './issues.ts'
import { knownTool, knownTools } from './tools.ts'

/** What is wrong with a spec; nothing when it can be compiled. */
export function validate(spec: Json): Issue[] {
  const issues = new Issues()
  const parsed = protocol.workflowSpec.safeParse(spec)
  if (!parsed.success) issues.addParsed(parsed.error)
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return issues.list
  const nodes = listOf(spec.nodes)
  for (const [index, node] of nodes.entries()) checkNode(issues, node, `$.nodes[${index}]`)
  checkIds(issues, nodes)
  checkDependencies(issues, spec, nodes)
  checkInputs(issues, listOf(spec.inputs))
  checkOutputs(issues, listOf(spec.outputs), nodes)
  return issues.list
}

function checkNode(issues: Issues, node: Json, path: string) {
  if (typeof node?.id === 'string' && !protocol.nodeId.safeParse(node.id).success) {
    issues.add(
      'INVALID_NODE_ID',
      `${path}.id`,
      'use a to z, 0 to 9 and _, beginning with a letter, at most 64 characters',
    )
  }
  if (node?.type === 'llm') checkLlm(issues, node, path)
  if (node?.type === 'transform.json') checkTransform(issues, node, path)
  if (node?.predicate) checkCondition(issues, node.predicate, `${path}.predicate`)
  if (node?.type !== 'map.fanout') return
  if ((node.items_from === undefined) === (node.items_from_input === undefined)) {
    issues.add('INVALID_MAP_ITEMS', `${path}.items_from`, 'give exactly one of items_from and items_from_input')
  }
  if (node.subnode?.type === 'llm') checkLlm(issues, node.subnode, `${path}.subnode`)
  else if (node.subnode?.type === 'transform.json') checkTransform(issues, node.subnode, `${path}.subnode`)
  else issues.add('INVALID_SUBNODE', `${path}.subnode`, 'must be an llm or a transform.json node')
  if (node.subnode?.depends_on?.length > 0) {
    issues.add('INVALID_SUBNODE', `${path}.subnode.depends_on`, 'a subnode depends on what its node depends on')
  }
}

function checkLlm(issues: Issues, node: Json, path: string) {
  const { user, system, input } = node
  if (user === undefined && system === undefined && input === undefined) {
    issues.add('MISSING_PROMPT', path, 'give user, system or input')
  }
  if (input !== undefined && (user !== undefined || system !== undefined)) {
    issues.add('CONFLICTING_PROMPT', `${path}.input`, 'give either input, or user and system')
  }
  const { mode } = node.tool_execution ?? {}
  if (node.stream === true && (mode === 'client' || mode === 'agentic')) {
    issues.add('STREAM_TOOL_CONFLICT', `${path}.tool_execution.mode`, `a node that streams cannot run tools as ${mode}`)
  }
  checkToolNames(issues, node.tools, path)
  const format = node.output_format
  if (format?.type === 'json_schema' && format.json_schema === undefined) {
    issues.add('INVALID_FIELD', `${path}.output_format.json_schema`, 'is missing')
  }
}

/** Tools that are named must be known; hosted ones are not served. */
export function checkToolNames(issues: Issues, tools: Json, path: string) {
  for (const [index, tool] of listOf(tools).entries()) {
    if (typeof tool === 'string' && !knownTool(tool)) {
      issues.add('UNKNOWN_TOOL', `${path}.tools[${index}]`, `"${tool}" is not known; known are ${knownTools()}`)
    } else if (typeof tool?.type === 'string' && tool.type !== 'function') {
      issues.add(
        'UNSUPPORTED_TOOL',
        `${path}.tools[${index}].type`,
        `"${tool.type}" is not served here; use a function`,
      )
    }
  }
}

function checkTransform(issues: Issues, { object, merge }: Json, path: string) {
  if ((object === undefined) === (merge === undefined)) {
    issues.add('INVALID_TRANSFORM', path, 'give exactly one of object and merge')
  }
  if (object !== undefined && Object.keys(object ?? {}).length === 0) {
    issues.add('INVALID_TRANSFORM', `${path}.object`, 'must have at least one key')
  }
  if (Array.isArray(merge) && merge.length === 0) {
    issues.add('INVALID_TRANSFORM', `${path}.merge`, 'must have at least one source')
  }
}

/** Checks a condition whose shape is right; its shape is the schema's. */
export function checkCondition(issues: Issues, condition: Json, path: string) {
  const parsed = protocol.condition.safeParse(condition)
  const fault = parsed.success ? conditionFault(parsed.data) : undefined
  if (fault) issues.add('INVALID_CONDITION', `${path}.${fault.field}`, fault.message)
}

function checkIds(issues: Issues, nodes: Json[]) {
  const seen = new Set<string>()
  for (const [index, node] of nodes.entries()) {
    if (seen.has(node?.id)) issues.add('DUPLICATE_NODE_ID', `$.nodes[${index}].id`, `"${node.id}" is there already`)
    else if (typeof node?.id === 'string') seen.add(node.id)
  }
}

function checkDependencies(issues: Issues, spec: Json, nodes: Json[]) {
  const ids = new Set(nodes.map(node => node?.id))
  const edges: { from: string; to: string }[] = []
  for (const [index, node] of nodes.entries()) {
    for (const { id, path, said } of dependenciesOf(node, ids)) {
      const at = `$.nodes[${index}]${path}`
      if (id === node.id) issues.add('SELF_DEPENDENCY', at, `"${id}" would wait for itself`)
      else if (ids.has(id)) edges.push({ from: id, to: node.id })
      else if (said) issues.add('UNKNOWN_DEPENDENCY', at, `there is no node "${id}"`)
    }
    if (typeof node?.items_from_input === 'string' && !declares(spec, node.items_from_input)) {
      issues.add('UNKNOWN_INPUT', `$.nodes[${index}].items_from_input`, `there is no input "${node.items_from_input}"`)
    }
  }
  const cycle = cyclic(edges)
  const first = nodes.findIndex(node => cycle.has(node?.id))
  if (first >= 0) {
    issues.add(
      'DEPENDENCY_CYCLE',
      `$.nodes[${first}].depends_on`,
      `these wait for each other: ${[...cycle].join(', ')}`,
    )
  }
}

/** A spec without declarations takes any input. */
function declares(spec: Json, name: string): boolean {
  return spec.inputs === undefined || listOf(spec.inputs).some(input => input?.name === name)
}

function checkInputs(issues: Issues, inputs: Json[]) {
  const seen = new Set<string>()
  for (const [index, input] of inputs.entries()) {
    const path = `$.inputs[${index}]`
    if (seen.has(input?.name)) issues.add('INVALID_INPUT_DECL', `${path}.name`, `"${input.name}" is there already`)
    seen.add(input?.name)
    if (input?.default !== undefined && !hasType(input.default, input.type ?? 'json')) {
      issues.add('INVALID_INPUT_DECL', `${path}.default`, `must be of type ${input.type}`)
    }
  }
}

function checkOutputs(issues: Issues, outputs: Json[], nodes: Json[]) {
  const seen = new Set<string>()
  for (const [index, output] of outputs.entries()) {
    const path = `$.outputs[${index}]`
    if (seen.has(output?.name)) issues.add('DUPLICATE_OUTPUT_NAME', `${path}.name`, `"${output.name}" is there already`)
    seen.add(output?.name)
    if (typeof output?.from === 'string' && !nodes.some(node => node?.id === output.from)) {
      issues.add('UNKNOWN_OUTPUT_NODE', `${path}.from`, `there is no node "${output.from}"`)
    }
  }
}

/** Whether a value is of a type that an input may declare. */
export function hasType(value: unknown, type: string): boolean {
  if (type === 'json') return true
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value : []
}
