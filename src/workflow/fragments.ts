// Fragments: parts of a workflow that are written once and put in wherever a node refers to them (contracts: workflows §8).
// A node that refers to one becomes a transform with the fragment's outputs; its insides become nodes `<node>__<inner>`.
import type {
  CompiledSpec,
  GivenBinding,
  GivenEdge,
  GivenFragment,
  GivenNode,
  GivenValue,
} from '../protocol/workflow-v1.ts'
import type { Issues } from './issues.ts'

type FragmentNode = GivenNode & { type: 'fragment' }

/** Fragments in fragments, at most so deep: one that contains itself has no end. */
const MAX_DEPTH = 16

export function expandFragments(issues: Issues, spec: CompiledSpec): CompiledSpec {
  const { fragments = {} } = spec
  let { nodes, edges = [] } = spec
  for (let depth = 0; nodes.some(node => node.type === 'fragment'); depth++) {
    if (depth === MAX_DEPTH) {
      issues.add(
        'FRAGMENT_CYCLE',
        '$.fragments',
        `fragments are nested deeper than ${MAX_DEPTH}; does one contain itself?`,
      )
      return { ...spec, nodes: nodes.filter(node => node.type !== 'fragment'), edges }
    }
    const grown: GivenNode[] = []
    for (const [index, node] of nodes.entries()) {
      const found = node.type === 'fragment' ? fragments[node.input.ref] : undefined
      if (node.type !== 'fragment') grown.push(node)
      else if (!found)
        issues.add('UNKNOWN_FRAGMENT', `$.nodes[${index}].input.ref`, `there is no fragment "${node.input.ref}"`)
      else {
        const { inner, links } = expanded(issues, node, found, `$.nodes[${index}]`)
        grown.push(...inner)
        edges = [...redirected(edges, node.id, roots(inner, links, node.id)), ...links]
      }
    }
    nodes = grown
  }
  return { ...spec, nodes, edges }
}

function expanded(issues: Issues, node: FragmentNode, fragment: GivenFragment, path: string) {
  const { id, input } = node
  const inside = new Set(fragment.nodes.map(one => one.id))
  const rename = (from: string) => (inside.has(from) ? `${id}__${from}` : from)
  const bind = <V extends GivenValue | GivenBinding>(value: V): V => {
    const { from, from_input, pointer = '' } = value
    const given = from_input === undefined ? undefined : input.bind_inputs?.[from_input]
    if (from_input !== undefined && !given) {
      issues.add('UNBOUND_FRAGMENT_INPUT', `${path}.input.bind_inputs.${from_input}`, 'is missing')
    }
    if (!given) return from === undefined ? value : { ...value, from: rename(from) }
    const { from_input: _, ...rest } = value
    const place = given.from_node === undefined ? { from_input: given.from_input } : { from: given.from_node }
    return { ...rest, ...place, pointer: `${given.pointer ?? ''}${pointer}` } as V
  }
  const inner = fragment.nodes.map(one => renamed(one, rename(one.id), bind))
  const outputs = fragment.outputs.map(({ name, from_node, pointer }) => {
    const value = { from: rename(from_node), ...(pointer && { pointer }) }
    return [name, value] as const
  })
  const whole: GivenNode = { id, type: 'transform.json', input: { object: Object.fromEntries(outputs) } }
  const links: GivenEdge[] = (fragment.edges ?? []).map(edge => ({
    ...edge,
    from: rename(edge.from),
    to: rename(edge.to),
  }))
  return { inner: [...inner, whole], links }
}

function renamed(node: GivenNode, id: string, bind: <V extends GivenValue | GivenBinding>(value: V) => V): GivenNode {
  const inside = <N extends GivenNode>(one: N): N => {
    if (one.type === 'transform.json') {
      const { object, merge } = one.input
      const entries = Object.entries(object ?? {}).map(([key, value]) => [key, bind(value)])
      const input = { ...(object && { object: Object.fromEntries(entries) }), ...(merge && { merge: merge.map(bind) }) }
      return { ...one, input }
    }
    if (one.type === 'llm.responses' || one.type === 'route.switch' || one.type === 'agent.run') {
      return { ...one, input: { ...one.input, bindings: (one.input.bindings ?? []).map(bind) } }
    }
    return one
  }
  if (node.type === 'map.fanout') {
    const { items, subnode } = node.input
    return { ...node, id, input: { ...node.input, items: bind(items), subnode: inside(subnode) } }
  }
  if (node.type === 'fragment') {
    const inputs = Object.entries(node.input.bind_inputs ?? {}).map(([name, { from_node, ...rest }]) => {
      const { from, ...bound } = bind({ ...rest, from: from_node })
      return [name, { ...bound, ...(from !== undefined && { from_node: from }) }]
    })
    return { ...node, id, input: { ...node.input, bind_inputs: Object.fromEntries(inputs) } }
  }
  return { ...inside(node), id }
}

/** Nodes that nothing inside comes before: what comes before the fragment comes before them. */
function roots(inner: GivenNode[], links: GivenEdge[], id: string): string[] {
  const later = new Set(links.map(edge => edge.to))
  return inner.flatMap(node => (node.id === id || later.has(node.id) ? [] : node.id))
}

function redirected(edges: GivenEdge[], id: string, to: string[]): GivenEdge[] {
  return edges.flatMap(edge => (edge.to === id ? to.map(root => ({ ...edge, to: root })) : edge))
}
