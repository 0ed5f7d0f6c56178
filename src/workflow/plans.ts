// Plans: compiled workflows, kept for good under their owner and hash (contracts: workflows §8).
import sql, { empty } from 'sql-template-tag'
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

/** A plan's canonical text. Without an owner, anybody's: the same hash is the same text. */
export const getPlan = transition(import.meta.url, 'getPlan', function* (key: PlanKey): Steps<string> {
  const { owner, plan_hash } = key
  const found = yield* first<{ plan: string }>(
    sql`select plan from plans where plan_hash = ${plan_hash} ${owner ? sql`and owner = ${owner}` : empty} limit 1`,
  )
  if (!found) throw new RunloomError('not_found', `plan ${plan_hash} not found; compile its spec first`)
  return found.plan
})
