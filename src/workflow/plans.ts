// Plans: compiled workflows, kept for good under their owner and hash (contracts: workflows §8).
import sql from 'sql-template-tag'
import { RunloomError } from '../core/errors.ts'
import { first, type Steps, transition } from '../db/database.ts'

export interface PlanKey {
  owner: string
  plan_hash: string
}

/** Keeps a plan's canonical text; one that is kept already stays. */
export const keepPlan = transition(
  import.meta.url,
  'keepPlan',
  function* ({ owner, plan_hash, text }: PlanKey & { text: string }): Steps<void> {
    yield sql`
      insert into plans (owner, plan_hash, plan, created_at) values (${owner}, ${plan_hash}, ${text}, now_iso())
      on conflict (owner, plan_hash) do nothing`
  },
)

/** A plan's canonical text. */
export const getPlan = transition(import.meta.url, 'getPlan', function* (key: PlanKey): Steps<string> {
  const { owner, plan_hash } = key
  const found = yield* first<{ plan: string }>(
    sql`select plan from plans where owner = ${owner} and plan_hash = ${plan_hash}`,
  )
  if (!found) throw new RunloomError('not_found', `plan ${plan_hash} not found; compile its spec first`)
  return found.plan
})
