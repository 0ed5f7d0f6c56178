// Who waits for whom in the intent form (contracts: workflows §5): what `depends_on` says, and everything that is read.
import type { Json } from '../core/json.ts'
import { placeholdersIn } from './placeholders.ts'

export interface Dependency {
  id: string
  /** Where it is said, below the node. */
  path: string
  /** False for a placeholder, which may name an input as well. */
  said: boolean
}

/** What a node waits for, fan-out subnode included. Reads raw JSON. `item` is no node inside a subnode. */
export function dependenciesOf(node: Json, ids: ReadonlySet<string>): Dependency[] {
  const found: Dependency[] = []
  const say = (id: unknown, path: string) => {
    if (typeof id === 'string') found.push({ id, path, said: true })
  }
  for (const [index, id] of listOf(node?.depends_on).entries()) say(id, `.depends_on[${index}]`)
  say(node?.items_from, '.items_from')
  read(node, '', '')
  if (node?.type === 'map.fanout') read(node.subnode, '.subnode', 'item')
  return found

  function read(part: Json, path: string, item: string) {
    for (const [key, source] of Object.entries<Json>(part?.object ?? {})) {
      if (source?.from !== item) say(source?.from, `${path}.object.${key}.from`)
    }
    for (const [index, source] of listOf(part?.merge).entries()) {
      if (source?.from !== item) say(source?.from, `${path}.merge[${index}].from`)
    }
    for (const { name, input } of placeholdersIn(textsOf(part))) {
      if (!input && name !== item && ids.has(name)) found.push({ id: name, path, said: false })
    }
  }
}

/** The texts of an llm node that may have placeholders. */
export function textsOf(node: Json): string[] {
  const parts = listOf(node?.input).flatMap(item => listOf(item?.content).map(part => part?.text))
  return [node?.system, node?.user, ...parts].filter(text => typeof text === 'string')
}

/** The nodes on cycles, or on the way from one to another; none in a workflow that can be run. */
export function cyclic(edges: readonly { from: string; to: string }[]): Set<string> {
  const behind = unreachable(edges)
  const rest = edges.filter(edge => behind.has(edge.from) && behind.has(edge.to))
  return unreachable(rest.map(({ from, to }) => ({ from: to, to: from })))
}

/** The nodes that never have their turn when one comes after all that point to it. */
function unreachable(edges: readonly { from: string; to: string }[]): Set<string> {
  const next = Map.groupBy(edges, edge => edge.from)
  const waits = new Map<string, number>()
  for (const { from, to } of edges) {
    waits.set(from, waits.get(from) ?? 0)
    waits.set(to, (waits.get(to) ?? 0) + 1)
  }
  const ready = [...waits].flatMap(([id, count]) => (count === 0 ? id : []))
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    waits.delete(id)
    for (const { to } of next.get(id) ?? []) {
      const left = (waits.get(to) as number) - 1
      waits.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  return new Set(waits.keys())
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value : []
}
