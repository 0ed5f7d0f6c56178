// Webhooks (contracts: langgraph §4.11, §14): what `webhooks` of langgraph.json may say.
import { z } from 'zod'

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'is no name of a header' })

/** Which URLs a client may give as `webhook`. */
const urlPolicy = z.object({
  /** Exact hosts, or `*.example.com` for what is below it. Empty: any. */
  allowed_domains: z.array(z.string().min(1)).default([]),
  /** A URL without a port has its scheme's. Empty: any. */
  allowed_ports: z.array(z.number().int().min(1).max(65_535)).default([]),
  require_https: z.boolean().default(false),
  /** Refuse relative URLs, which are calls of this server's own routes. */
  disable_loopback: z.boolean().default(true),
  max_url_length: z.number().int().positive().default(4096),
})

export type UrlPolicy = z.infer<typeof urlPolicy>

export const webhooksConfig = z.object({
  /** What the name of a variable that a header mentions must begin with. */
  env_prefix: z.string().min(1).default('LG_WEBHOOK_'),
  /** Sent with every webhook; `${{ env.NAME }}` stands for a variable. */
  headers: z.record(headerName, z.string()).default({}),
  url: urlPolicy.default(() => urlPolicy.parse({})),
})

export type WebhooksConfig = z.infer<typeof webhooksConfig>
