// Webhooks (contracts: langgraph §4.11, §14): what `webhooks` of langgraph.json may say.
import { z } from 'zod'

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: 'is no name of a header' })

/** Which URLs a client may give as `webhook`. */
const urlPolicy = z.object({
  allowed_domains: z
    .array(z.string().min(1))
    .default([])
    .describe('Exact hosts, or `*.example.com` for what is below it. Empty: any.'),
  allowed_ports: z
    .array(z.number().int().min(1).max(65_535))
    .default([])
    .describe("A URL without a port has its scheme's. Empty: any."),
  require_https: z.boolean().default(false).describe('Whether `http:` is refused.'),
  disable_loopback: z
    .boolean()
    .default(true)
    .describe("Refuse relative URLs, which are calls of this server's own routes."),
  max_url_length: z.number().int().positive().default(4096).describe('Characters.'),
})

export type UrlPolicy = z.infer<typeof urlPolicy>

export const webhooksConfig = z.object({
  env_prefix: z
    .string()
    .min(1)
    .default('LG_WEBHOOK_')
    .describe('What the name of a variable that a header mentions must begin with.'),
  headers: z
    .record(headerName, z.string())
    .default({})
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as the file has it
    .describe('Sent with every webhook; `${{ env.NAME }}` stands for a variable.'),
  url: urlPolicy.default(() => urlPolicy.parse({})).describe('Which URLs a client may give.'),
})

export type WebhooksConfig = z.infer<typeof webhooksConfig>
