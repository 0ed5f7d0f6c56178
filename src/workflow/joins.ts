// When a join has what it waits for (contracts: workflows §5, §9).
import type { Json } from '../core/json.ts'
import type { Condition } from '../protocol/workflow-spec.ts'
import { holds } from './conditions.ts'
import type { Plan, PlanNode } from './plan.ts'
import type { NodeRecord } from './records.ts'
import type { Dependency, Standing, Topology } from './topology.ts'

export type Join = PlanNode & { type: 'join.all' | 'join.any' | 'join.collect' }

export function isJoin(node: PlanNode): node is Join {
  return node.type === 'join.all' || node.type === 'join.any' || node.type === 'join.collect'
}

export type Decision = { take: string[] } | 'wait' | 'skip' | 'fail'

interface States {
  standing(id: string): Standing
  get(id: string): NodeRecord | undefined
}

/** `expired`: a collecting join has waited long enough. */
export function decide(join: Join, dependencies: readonly Dependency[], states: States, expired = false): Decision {
  const met = dependencies.filter(one => one.state === 'met').map(one => one.from)
  const open = dependencies.some(one => one.state === 'open')
  const passedBy = dependencies.some(one => one.state === 'dead')
  if (join.type === 'join.all') return passedBy ? 'skip' : open ? 'wait' : { take: met }
  const endOf = (id: string) => states.get(id)?.ended_ms ?? 0
  const matching = met
    .filter(id => matches(join.input.predicate, states.standing(id)))
    .sort((a, b) => endOf(a) - endOf(b) || (a < b ? -1 : 1))
  const most = join.type === 'join.any' ? 1 : (join.input.limit ?? Number.POSITIVE_INFINITY)
  if (matching.length >= most) return { take: matching.slice(0, most) }
  if (open && !expired) return 'wait'
  const failed = dependencies.some(one => states.standing(one.from).status === 'failed')
  if (met.length === 0 && passedBy && !failed) return 'skip'
  if (join.type === 'join.any') return 'fail'
  return met.length === 0 && failed && !expired ? 'fail' : { take: matching }
}

function matches(predicate: Condition | undefined, standing: Standing): boolean {
  return !predicate || holds(predicate, standing as { status: string; output: Json })
}

/** Whether a run can do without a node that failed: everything that waits for it has, or may yet have, something else. */
export function tolerates(plan: Plan, topology: Topology, states: States, failed: string): boolean {
  const followers = [...topology.successors(failed)]
  if (followers.length === 0 || plan.outputs.some(output => output.from === failed)) return false
  return followers.every(id => {
    const type = plan.nodes.find(node => node.id === id)?.type
    const dependencies = topology.dependencies(id, one => states.standing(one))
    if (dependencies.find(one => one.from === failed)?.state === 'met') return true
    if (type !== 'join.any' && type !== 'join.collect') return false
    return states.standing(id).status === 'succeeded' || dependencies.some(one => one.state !== 'dead')
  })
}
