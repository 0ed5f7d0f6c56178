// Memory: for each owner one document of facts, read and written whole (contracts: gateway §2). Of two facts that say the
// same one stays, and of too many the most certain, then the newest.
import sql from 'sql-template-tag'
import { first, type Steps, transition } from '../db/database.ts'
import { type Fact, type MemoryDocument, memoryDocument } from '../protocol/memory.ts'
import { RunloomError } from './errors.ts'
import { jsonText } from './json.ts'

export const getMemory = transition(import.meta.url, 'getMemory', function* (owner: string): Steps<MemoryDocument> {
  const row = yield* first<{ document: string }>(sql`select document from memories where owner = ${owner}`)
  return row ? JSON.parse(row.document) : memoryDocument.parse({})
})

export type NewFact = Omit<Fact, 'createdAt'>

export interface AddFacts {
  owner: string
  facts: NewFact[]
  max_facts: number
  /** What to do with a fact that is there already. */
  if_known: 'raise' | 'keep'
}

/** Throws `conflict` for a known fact, if it shall, and for a single one for which there is no room. */
export const addFacts = transition(import.meta.url, 'addFacts', function* (args: AddFacts): Steps<MemoryDocument> {
  const { owner, facts, max_facts, if_known } = args
  return yield* changed(owner, (document, createdAt) => {
    const known = new Set(document.facts.map(sense))
    if (if_known === 'raise' && facts.some(fact => known.has(sense(fact))))
      throw new RunloomError('conflict', 'This fact is known already; change it with PATCH')
    const added = facts.filter(fact => !known.has(sense(fact))).map(fact => ({ ...fact, createdAt }))
    const kept = best([...added, ...document.facts], max_facts)
    if (if_known === 'raise' && !added.every(({ id }) => kept.some(fact => fact.id === id)))
      throw new RunloomError('conflict', `The memory holds ${max_facts} facts that are more certain; delete one first`)
    return { ...document, facts: kept }
  })
})

export interface PatchFact {
  owner: string
  id: string
  content?: string
  category?: string
  confidence?: number
}

export const patchFact = transition(
  import.meta.url,
  'patchFact',
  function* ({ owner, id, ...given }: PatchFact): Steps<MemoryDocument> {
    return yield* changed(owner, document => {
      const patched = { ...factOf(document, id), ...given }
      if (document.facts.some(fact => fact.id !== id && sense(fact) === sense(patched)))
        throw new RunloomError('conflict', 'content: another fact says this already')
      return { ...document, facts: document.facts.map(fact => (fact.id === id ? patched : fact)) }
    })
  },
)

export const deleteFact = transition(
  import.meta.url,
  'deleteFact',
  function* ({ owner, id }: { owner: string; id: string }): Steps<MemoryDocument> {
    return yield* changed(owner, document => {
      factOf(document, id)
      return { ...document, facts: document.facts.filter(fact => fact.id !== id) }
    })
  },
)

/** Puts a document in the place of what there was; facts without a time are of now. */
export const replaceMemory = transition(
  import.meta.url,
  'replaceMemory',
  function* (args: { owner: string; document: MemoryDocument; max_facts: number }): Steps<MemoryDocument> {
    const { owner, document, max_facts } = args
    return yield* changed(owner, (_, now) => {
      const facts = document.facts.map(fact => ({ ...fact, createdAt: fact.createdAt || now }))
      return { ...document, facts: best([...new Map(facts.map(fact => [fact.id, fact])).values()], max_facts) }
    })
  },
)

export const clearMemory = transition(import.meta.url, 'clearMemory', function* (owner: string): Steps<MemoryDocument> {
  return yield* changed(owner, () => memoryDocument.parse({}))
})

function* changed(
  owner: string,
  change: (document: MemoryDocument, now: string) => MemoryDocument,
): Steps<MemoryDocument> {
  const empty = jsonText(memoryDocument.parse({}))
  yield sql`insert into memories (owner, document) values (${owner}, ${empty}) on conflict (owner) do nothing`
  const row = yield* first<{ document: string; now: string }>(
    sql`select document, now_iso() as now from memories where owner = ${owner} for update`,
  )
  const { document, now } = row as { document: string; now: string }
  const text = jsonText({ ...change(JSON.parse(document), now), lastUpdated: now })
  yield sql`update memories set document = ${text} where owner = ${owner}`
  return JSON.parse(text)
}

function factOf({ facts }: MemoryDocument, id: string): Fact {
  const found = facts.find(fact => fact.id === id)
  if (found) return found
  throw new RunloomError('not_found', `Memory fact '${id}' not found`)
}

/** The most certain facts first, of those the newest: the order in which they are kept, shown and told to the model. */
export function ranked<F extends Pick<Fact, 'confidence' | 'createdAt'>>(facts: readonly F[]): F[] {
  return facts.toSorted((a, b) => b.confidence - a.confidence || newestFirst(a, b))
}

function newestFirst(a: Pick<Fact, 'createdAt'>, b: Pick<Fact, 'createdAt'>): number {
  return Number(a.createdAt < b.createdAt) - Number(a.createdAt > b.createdAt)
}

function best(facts: Fact[], most: number): Fact[] {
  const bySense = new Map<string, Fact>()
  for (const fact of ranked(facts)) if (!bySense.has(sense(fact))) bySense.set(sense(fact), fact)
  return [...bySense.values()].slice(0, most)
}

/** Facts that differ in case and blanks alone say the same. */
function sense({ content }: Pick<Fact, 'content'>): string {
  return content.toLowerCase().split(/\s+/).join(' ')
}
