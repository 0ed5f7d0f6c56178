// Which webhook URLs this server calls (contracts: langgraph §4.11): checked when a client gives one, and again when it is
// called, because the operator's rules may have changed meanwhile. What a name resolves to is checked while connecting.
import type { UrlPolicy } from '../protocol/webhooks.ts'
import { AddressGuard, Refused } from './address-guard.ts'
import { RunloomError } from './errors.ts'

export interface WebhookRules {
  /** `http.disable_webhooks`: call none. */
  disabled: boolean
  url: UrlPolicy
  /** Private networks that may be called, as `10.1.0.0/16`. */
  networks: readonly string[]
}

/** A call over the network, or of this server's own route. */
export type Target = { url: URL } | { path: string }

export class WebhookPolicy {
  readonly guard: AddressGuard
  readonly #rules: WebhookRules

  constructor(rules: WebhookRules) {
    this.#rules = rules
    this.guard = new AddressGuard(rules.networks)
  }

  /** Whether this server calls none at all. */
  get disabled(): boolean {
    return this.#rules.disabled
  }

  /** Throws `invalid`, naming the field, when a client's webhook would not be called. */
  check(webhook: unknown): void {
    if (webhook === undefined || webhook === null) return
    try {
      this.target(String(webhook))
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      throw new RunloomError('invalid', `webhook: ${error.message}`, { cause: error })
    }
  }

  /** What a webhook means here. Throws `Refused`. */
  target(webhook: string): Target {
    const { disabled, url: rules } = this.#rules
    if (disabled) throw new Refused('this server calls no webhooks (http.disable_webhooks)')
    if (webhook.length > rules.max_url_length) {
      throw new Refused(`the URL is longer than ${rules.max_url_length} characters`)
    }
    if (isRelative(webhook)) {
      if (!rules.disable_loopback) return { path: webhook }
      throw new Refused(
        'relative URLs are off here; the operator allows them with webhooks.url.disable_loopback: false',
      )
    }
    const url = URL.parse(webhook)
    if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw new Refused('use an http: or https: URL')
    if (rules.require_https && url.protocol !== 'https:') throw new Refused('this server calls https: URLs only')
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
    if (rules.allowed_ports.length > 0 && !rules.allowed_ports.includes(port)) {
      throw new Refused(`the port ${port} is not allowed`)
    }
    if (rules.allowed_domains.length > 0 && !rules.allowed_domains.some(domain => covers(domain, url.hostname))) {
      throw new Refused(`the host ${url.hostname} is not allowed`)
    }
    this.guard.checkHost(url)
    return { url }
  }
}

/** `//host` and `/\host` are no paths: a URL parser takes them for another host. */
function isRelative(webhook: string): boolean {
  return webhook.startsWith('/') && !/^\/[/\\]/.test(webhook)
}

function covers(domain: string, hostname: string): boolean {
  const [wanted, host] = [domain.toLowerCase(), hostname.toLowerCase().replace(/\.$/, '')]
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted
}
