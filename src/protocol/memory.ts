// Memory as it is on the wire, the same over HTTP and in process (contracts: gateway §2, §3.1): one document for each user,
// with facts in it. Its field names are the dialect's own.
import { z } from 'zod'

const content = z.string().trim().min(1, { error: 'say something' }).max(4_000)
const category = z.string().trim().min(1).max(64)
const confidence = z.number().min(0).max(1)
const id = z.string().min(1).max(128)

const fact = z.object({
  id,
  content,
  category: category.default('context'),
  confidence: confidence.default(0.5),
  createdAt: z.string().max(64).default(''),
  /** The thread it was found on, or `manual`. */
  source: z.string().max(256).default('unknown'),
})

export type Fact = z.infer<typeof fact>

const section = z.object({ summary: z.string().max(20_000).default(''), updatedAt: z.string().max(64).default('') })
const empty = () => section.parse({})
const user = z.object({
  workContext: section.default(empty),
  personalContext: section.default(empty),
  topOfMind: section.default(empty),
})
const history = z.object({
  recentMonths: section.default(empty),
  earlierContext: section.default(empty),
  longTermBackground: section.default(empty),
})

/** The document. Its two groups of summaries are kept and exported for who brings them; the agent reads the facts. */
export const memoryDocument = z.object({
  version: z.string().max(16).default('1.0'),
  lastUpdated: z.string().max(64).default(''),
  user: user.default(() => user.parse({})),
  history: history.default(() => history.parse({})),
  facts: z.array(fact).max(10_000).default([]),
})

export type MemoryDocument = z.infer<typeof memoryDocument>

export const createFact = z.object({
  content,
  category: category.default('context'),
  confidence: confidence.default(0.5),
})

/** What is left out, or null, stays as it was. */
export const patchFact = z.object({
  content: content.nullish(),
  category: category.nullish(),
  confidence: confidence.nullish(),
})

export const memoryConfig = z.object({
  enabled: z.boolean(),
  /** Empty: it is in the database. */
  storage_path: z.string(),
  debounce_seconds: z.number(),
  max_facts: z.number(),
  fact_confidence_threshold: z.number(),
  injection_enabled: z.boolean(),
  max_injection_tokens: z.number(),
  extraction_enabled: z.boolean(),
})

export const memoryStatus = z.object({ config: memoryConfig, data: memoryDocument })
