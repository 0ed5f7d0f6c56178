// From the compiled form, written by hand, to a plan: shapes and references are checked, fragments are put in their place,
// what is read becomes an edge where none is drawn (contracts: workflows §8).
import type { Json } from '../core/json.ts'
import {
  type CompiledSpec,
  compiledSpec,
  type GivenBinding,
  type GivenItemBinding,
  type GivenLlmInput,
  type GivenNode,
  type GivenValue,
} from '../protocol/workflow-v1.ts'
import { byEnds, byId, llmDefaults, MAX_PARALLELISM, toolObject } from './defaults.ts'
import { cyclic } from './dependencies.ts'
import { expandFragments } from './fragments.ts'
import { type Issue, Issues } from './issues.ts'
import { messageItem } from './messages.ts'
import type {
  AgentInput,
  Binding,
  Edge,
  LlmInput,
  LlmRequest,
  LlmWork,
  Plan,
  PlanNode,
  Source,
  TransformWork,
} from './plan.ts'
import { checkCondition, checkToolNames, hasType } from './validate.ts'

/** The plan of a spec in compiled form, or all that is wrong with it. */
export function compiledForm(given: Json): Plan | Issue[] {
  const issues = new Issues()
  const parsed = compiledSpec.safeParse(given)
  if (!parsed.success) {
    issues.addParsed(parsed.error)
    return issues.list
  }
  const spec = expandFragments(issues, parsed.data)
  checkReferences(issues, spec)
  if (issues.list.length > 0) return issues.list
  return planOf(spec)
}

function checkReferences(issues: Issues, spec: CompiledSpec) {
  const ids = new Set<string>()
  for (const [index, node] of spec.nodes.entries()) {
    const path = `$.nodes[${index}]`
    if (ids.has(node.id)) issues.add('DUPLICATE_NODE_ID', `${path}.id`, `"${node.id}" is there already`)
    ids.add(node.id)
    checkNode(issues, node, path)
  }
  for (const [index, edge] of (spec.edges ?? []).entries()) {
    for (const end of ['from', 'to'] as const) {
      if (ids.has(edge[end])) continue
      issues.add('UNKNOWN_EDGE_ENDPOINT', `$.edges[${index}].${end}`, `there is no node "${edge[end]}"`)
    }
    if (edge.when) checkCondition(issues, edge.when, `$.edges[${index}].when`)
  }
  for (const [index, node] of spec.nodes.entries()) {
    for (const from of readBy(node)) {
      if (ids.has(from)) continue
      issues.add('UNKNOWN_DEPENDENCY', `$.nodes[${index}].input`, `there is no node "${from}"`)
    }
  }
  const names = new Set<string>()
  for (const [index, { name, from }] of spec.outputs.entries()) {
    if (names.has(name)) issues.add('DUPLICATE_OUTPUT_NAME', `$.outputs[${index}].name`, `"${name}" is there already`)
    names.add(name)
    if (!ids.has(from)) issues.add('UNKNOWN_OUTPUT_NODE', `$.outputs[${index}].from`, `there is no node "${from}"`)
  }
  for (const [index, { type = 'json', default: fallback }] of (spec.inputs ?? []).entries()) {
    if (fallback === undefined || hasType(fallback, type)) continue
    issues.add('INVALID_INPUT_DECL', `$.inputs[${index}].default`, `must be of type ${type}`)
  }
  const cycle = [...cyclic(edgesOf(spec))]
  if (cycle.length > 0) {
    issues.add('DEPENDENCY_CYCLE', '$.edges', `these wait for each other: ${cycle.join(', ')}`)
  }
}

function checkNode(issues: Issues, node: GivenNode, path: string) {
  if (node.type === 'join.any' || node.type === 'join.collect') {
    const { predicate } = node.input ?? {}
    if (predicate) checkCondition(issues, predicate, `${path}.input.predicate`)
  }
  if (node.type === 'map.fanout') {
    const { items, subnode } = node.input
    if ((items.from === undefined) === (items.from_input === undefined)) {
      issues.add('INVALID_MAP_ITEMS', `${path}.input.items`, 'give exactly one of from and from_input')
    }
    checkNode(issues, subnode, `${path}.input.subnode`)
  }
  if (node.type === 'transform.json' && (node.input.object === undefined) === (node.input.merge === undefined)) {
    issues.add('INVALID_TRANSFORM', `${path}.input`, 'give exactly one of object and merge')
  }
  if (node.type !== 'llm.responses' && node.type !== 'route.switch') return
  const { stream, tool_execution, request } = node.input
  if (stream && tool_execution && tool_execution.mode !== 'server') {
    const conflict = `a node that streams cannot run tools as ${tool_execution.mode}`
    issues.add('STREAM_TOOL_CONFLICT', `${path}.input.tool_execution.mode`, conflict)
  }
  checkToolNames(issues, request.tools, `${path}.input.request`)
}

/** The nodes whose outputs a node reads. */
function readBy(node: GivenNode): string[] {
  const sources: { from?: string | undefined }[] = []
  const read = (part: GivenNode) => {
    if ('input' in part && part.input && 'bindings' in part.input) sources.push(...(part.input.bindings ?? []))
    if (part.type === 'transform.json') {
      sources.push(...Object.values(part.input.object ?? {}), ...(part.input.merge ?? []))
    }
  }
  read(node)
  if (node.type === 'map.fanout') {
    sources.push(node.input.items)
    read(node.input.subnode)
  }
  const item = node.type === 'map.fanout' ? 'item' : undefined
  return sources.flatMap(({ from }) => (from === undefined || from === item ? [] : from))
}

/** The edges that are drawn, and those that follow from what is read. */
function edgesOf({ nodes, edges = [] }: CompiledSpec): Edge[] {
  const drawn = new Set(edges.map(edge => JSON.stringify([edge.from, edge.to])))
  const inferred = nodes.flatMap(node =>
    [...new Set(readBy(node))].flatMap(from =>
      drawn.has(JSON.stringify([from, node.id])) ? [] : { from, to: node.id },
    ),
  )
  const all = edges.map(({ from, to, when }): Edge => ({ from, to, ...(when && { when }) }))
  return [...all, ...inferred].sort(byEnds)
}

function planOf(spec: CompiledSpec): Plan {
  const { max_parallelism = MAX_PARALLELISM, node_timeout_ms, run_timeout_ms } = spec.execution ?? {}
  return {
    kind: 'workflow.v1',
    ...(spec.name !== undefined && { name: spec.name }),
    execution: {
      max_parallelism,
      ...(node_timeout_ms !== undefined && { node_timeout_ms }),
      ...(run_timeout_ms !== undefined && { run_timeout_ms }),
    },
    inputs: inputsOf(spec),
    nodes: spec.nodes.map(planNode).sort(byId),
    edges: edgesOf(spec),
    outputs: spec.outputs.map(({ name, from, output, pointer }) => {
      const whole = `${output === undefined ? '' : `/${escaped(output)}`}${pointer ?? ''}`
      return { name, from, ...(whole && { pointer: whole }) }
    }),
  }
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1')
}

function inputsOf(spec: CompiledSpec): Plan['inputs'] {
  const text = JSON.stringify(spec.nodes)
  const read = new Set(
    [...text.matchAll(/"from_input":("(?:[^"\\]|\\.)*")/g)].map(([, name]) => JSON.parse(name as string)),
  )
  const declared = (spec.inputs ?? []).map(input => ({
    ...input,
    type: input.type ?? ('json' as const),
    required: input.required ?? (read.has(input.name) && input.default === undefined),
  }))
  const known = new Set(declared.map(input => input.name))
  const others = [...read].filter(name => !known.has(name)).sort()
  return [...declared, ...others.map(name => ({ name, type: 'json' as const, required: true }))]
}

function planNode(node: GivenNode): PlanNode {
  const { id, timeout_ms } = node
  const every = { id, ...(timeout_ms !== undefined && { timeout_ms }) }
  switch (node.type) {
    case 'llm.responses':
    case 'route.switch':
    case 'transform.json':
      return { ...every, ...workOf(node, undefined, []) }
    case 'join.all':
      return { ...every, type: node.type }
    case 'join.any':
    case 'join.collect':
      return { ...every, type: node.type, input: node.input ?? {} } as PlanNode
    case 'agent.run': {
      const { agent, input, bindings = [] } = node.input
      const own: AgentInput = {
        agent,
        input: input.map(messageItem),
        bindings: bindings.map(one => binding(one, undefined)),
      }
      return { ...every, type: node.type, input: own }
    }
    case 'map.fanout': {
      const { items, item_bindings = [], max_parallelism, subnode } = node.input
      const { path, ...from } = items
      const work = { id: subnode.id, ...workOf(subnode, 'item', item_bindings) }
      const own = subnode.timeout_ms === undefined ? work : { ...work, timeout_ms: subnode.timeout_ms }
      const rest = max_parallelism === undefined ? {} : { max_parallelism }
      return {
        ...every,
        type: node.type,
        input: { items: { ...source(from, undefined), ...(path && { path }) }, ...rest, subnode: own },
      }
    }
    case 'fragment':
      throw new Error('fragments are expanded before')
  }
}

type GivenWork = Extract<GivenNode, { type: 'llm.responses' | 'route.switch' | 'transform.json' }>

function workOf(node: GivenWork, item: string | undefined, itemBindings: GivenItemBinding[]): LlmWork | TransformWork {
  if (node.type !== 'transform.json') return { type: node.type, input: llmInput(node.input, item, itemBindings) }
  const { object, merge } = node.input
  const input = object
    ? { object: Object.fromEntries(Object.entries(object).map(([key, value]) => [key, source(value, item)])) }
    : { merge: (merge ?? []).map(value => source(value, item)) }
  return { type: node.type, input }
}

function llmInput(given: GivenLlmInput, item: string | undefined, itemBindings: GivenItemBinding[]): LlmInput {
  const { request, bindings = [], ...rest } = given
  const { input, tools, ...options } = request
  const own = {
    ...options,
    input: input.map(messageItem),
    ...(tools && tools.length > 0 && { tools: tools.map(toolObject) }),
  } as LlmRequest
  const items = itemBindings.map(({ path, ...one }) => {
    const { from: _, ...place } = binding({ from: '', ...one, ...(path && { pointer: path }) }, undefined)
    return { ...place, from_item: true as const }
  })
  return { request: own, bindings: [...bindings.map(one => binding(one, item)), ...items], ...llmDefaults(rest) }
}

/** Placeholders take texts, places take values, unless the binding says otherwise. */
function binding({ to, to_placeholder, encoding, ...from }: GivenBinding, item: string | undefined): Binding {
  const place = to_placeholder === undefined ? { to: to ?? '' } : { to_placeholder }
  return {
    ...source(from, item),
    ...place,
    encoding: encoding ?? (to_placeholder === undefined ? 'json' : 'json_string'),
  }
}

function source({ from, from_input, pointer }: GivenValue, item: string | undefined): Source {
  const place =
    from_input !== undefined
      ? { from_input }
      : from === item && item
        ? { from_item: true as const }
        : { from: from ?? '' }
  return { ...place, ...(pointer && { pointer }) }
}
