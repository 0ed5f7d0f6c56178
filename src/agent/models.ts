// Chat models by name: the one that RUNLOOM_MODEL names for the server, and those that workflows name. A provider's come
// through LangChain; without a name there is the offline one.

import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { initChatModel } from 'langchain'
import { _inferModelProvider, MODEL_PROVIDER_CONFIG } from 'langchain/chat_models/universal'
import { OfflineModel } from './offline-model.ts'

/** What `chatModel` reads of the environment. Providers' own packages read their keys from the process. */
export type ModelEnv = {
  OPENAI_BASE_URL?: string | undefined
  OPENAI_API_BASE?: string | undefined
  OPENAI_API_KEY?: string | undefined
}

const PACKAGES = new Map<string, string>(
  Object.entries(MODEL_PROVIDER_CONFIG).map(([provider, config]) => [provider, config.package]),
)

interface ModelSettings {
  max_output_tokens?: number
  temperature?: number
}

/** Chat models as workflows name them, each made once. */
export class ModelsByName {
  readonly #default: string | undefined
  readonly #env: ModelEnv
  readonly #made = new Map<string, Promise<BaseChatModel>>()

  constructor(serversOwn: string | undefined, env: ModelEnv) {
    this.#default = serversOwn
    this.#env = env
  }

  /**
   * `provider:name`; a name from which LangChain knows the provider; `offline`; or `default`, the server's own. Rejects with
   * an Error that says what to do.
   */
  get(name: string, settings: ModelSettings = {}): Promise<BaseChatModel> {
    const key = JSON.stringify([name, settings])
    const known = this.#made.get(key)
    if (known) return known
    const made = this.#make(name, settings)
    made.catch(() => this.#made.delete(key))
    this.#made.set(key, made)
    if (this.#made.size > MOST_MODELS) this.#made.delete(this.#made.keys().next().value as string)
    return made
  }

  async #make(name: string, { max_output_tokens, temperature }: ModelSettings): Promise<BaseChatModel> {
    const fields = {
      ...(max_output_tokens !== undefined && { maxTokens: max_output_tokens }),
      ...(temperature !== undefined && { temperature }),
    }
    if (name === 'offline') return new OfflineModel()
    if (name === 'default') return chatModel(this.#default, this.#env, fields)
    const spec = name.includes(':') ? name : `${_inferModelProvider(name) ?? ''}:${name}`
    return chatModel(spec, this.#env, fields, `model "${name}"`)
  }
}

const MOST_MODELS = 1_000

/**
 * The chat model of `provider:name` (`openai:gpt-5-mini`, `ollama:llama3.2`), or the offline model without a spec.
 * Throws an Error that names the setting and the remedy when the spec is malformed, its provider is unknown or the
 * provider's package is not installed.
 */
export async function chatModel(
  spec: string | undefined,
  env: ModelEnv,
  fields: Record<string, unknown> = {},
  label = `RUNLOOM_MODEL=${spec}`,
): Promise<BaseChatModel> {
  if (!spec) return new OfflineModel()
  const provider = providerOf(spec, label)
  try {
    const configurable = await initChatModel(spec, { ...(provider === 'openai' && openaiFields(env)), ...fields })
    // What initChatModel returns lets each run's config name another model, and caches a client for every distinct
    // config. A server wants the one model that its operator chose.
    return await configurable._getModelInstance()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const [, missing] = /^Unable to import (\S+?)\. /.exec(reason) ?? []
    if (missing === undefined) throw new Error(`${label}: ${reason}`, { cause })
    throw new Error(`${label}: the package of provider "${provider}" is not installed. Run: npm install ${missing}`, {
      cause,
    })
  }
}

function providerOf(spec: string, label: string): string {
  const [provider = '', ...name] = spec.split(':')
  if (PACKAGES.has(provider) && name.join(':') !== '') return provider
  const known = [...PACKAGES.keys()].sort().join(', ')
  const fault = PACKAGES.has(provider)
    ? 'names no model'
    : name.length > 0
      ? `names an unknown provider "${provider}"`
      : 'names no provider'
  throw new Error(`${label} ${fault}. Use provider:name; the known providers are ${known}.`)
}

// Servers that speak OpenAI's protocol rarely have its Responses API, and often need no key; the SDK insists on one.
function openaiFields(env: ModelEnv) {
  const baseURL = env.OPENAI_BASE_URL || env.OPENAI_API_BASE
  if (!baseURL) return {}
  return {
    apiKey: env.OPENAI_API_KEY || 'none',
    configuration: { baseURL },
    useResponsesApi: false,
    streamUsage: true,
  }
}
