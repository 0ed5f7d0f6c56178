// The long-term store (contracts: langgraph §7), and what `store` of langgraph.json may say (§14).
import { z } from 'zod'
import { limit, object, offset } from './common.ts'

const minutes = z.number().positive().max(1_000_000_000)
const namespace = z.array(z.string())

export const putItem = z.object({
  namespace,
  key: z.string(),
  value: object,
  /** Null: as configured; false: none; else the paths whose texts are searched by meaning. */
  index: z.union([z.literal(false), z.array(z.string().min(1))]).nullish(),
  /** Minutes; null: for ever; absent: as configured. */
  ttl: minutes.nullish(),
})

export const itemName = z.object({ namespace, key: z.string() })

export const searchItems = z.object({
  namespace_prefix: namespace,
  filter: object.nullish(),
  limit,
  offset,
  query: z.string().nullish(),
  refresh_ttl: z.boolean().nullish(),
})

export const searchNamespaces = z.object({
  prefix: namespace.nullish(),
  suffix: namespace.nullish(),
  max_depth: z.number().int().positive().nullish(),
  limit,
  offset,
})

export const storeConfig = z.object({
  index: z
    .object({
      dims: z.number().int().positive().describe('Numbers of one vector.'),
      embed: z.string().min(1).describe('`provider:model`, or `./file.ts:export`.'),
      fields: z
        .array(z.string().min(1))
        .default(['$'])
        .describe('Paths of the texts that are searched: `a.b`, `list[*].text`; `$` is the whole value.'),
    })
    .optional()
    .describe('Items are found by meaning, too.'),
  ttl: z
    .object({
      default_ttl: minutes.optional().describe('Minutes; for ever without it.'),
      refresh_on_read: z.boolean().default(true).describe('Whether reading counts as use.'),
      sweep_interval_minutes: minutes
        .max(35_000)
        .default(5)
        .describe('How often it is looked for items whose time is over.'),
    })
    .optional()
    .describe('How long items are kept that do not say it.'),
})

export type StoreConfig = z.infer<typeof storeConfig>
