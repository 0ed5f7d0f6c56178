// Which model a node calls: the run's overrides beat the plan (contracts: workflows §2.2).
import type { ModelNode } from './plan.ts'

export interface Overrides {
  model_override?: string
  model_overrides?: {
    nodes?: Record<string, string>
    fanout_subnodes?: { parent_id: string; subnode_id: string; model: string }[]
  }
}

/** The name of a node's model; undefined when nobody named one. */
export function modelOf(node: ModelNode, { model_override, model_overrides }: Overrides): string | undefined {
  const { id, parent_id, input } = node
  const own = parent_id
    ? model_overrides?.fanout_subnodes?.find(one => one.parent_id === parent_id && one.subnode_id === id)?.model
    : model_overrides?.nodes?.[id]
  return own ?? model_override ?? input.request.model
}
