// Which chat model RUNLOOM_MODEL names: a provider's through LangChain, or the offline one when it is not set.

import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { initChatModel } from 'langchain'
import { MODEL_PROVIDER_CONFIG } from 'langchain/chat_models/universal'
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

/**
 * The chat model of `provider:name` (`openai:gpt-5-mini`, `ollama:llama3.2`), or the offline model without a spec.
 * Throws an Error that names RUNLOOM_MODEL and the remedy when the spec is malformed, its provider is unknown or the
 * provider's package is not installed.
 */
export async function chatModel(spec: string | undefined, env: ModelEnv): Promise<BaseChatModel> {
  if (!spec) return new OfflineModel()
  const provider = providerOf(spec)
  try {
    const configurable = await initChatModel(spec, provider === 'openai' ? openaiFields(env) : {})
    // What initChatModel returns lets each run's config name another model, and caches a client for every distinct
    // config. A server wants the one model that its operator chose.
    return await configurable._getModelInstance()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const [, missing] = /^Unable to import (\S+?)\. /.exec(reason) ?? []
    if (missing === undefined) throw new Error(`RUNLOOM_MODEL=${spec}: ${reason}`, { cause })
    throw new Error(
      `RUNLOOM_MODEL=${spec}: the package of provider "${provider}" is not installed. Run: npm install ${missing}`,
      { cause },
    )
  }
}

function providerOf(spec: string): string {
  const [provider = '', ...name] = spec.split(':')
  if (PACKAGES.has(provider) && name.join(':') !== '') return provider
  const known = [...PACKAGES.keys()].sort().join(', ')
  const fault = PACKAGES.has(provider)
    ? 'names no model'
    : name.length > 0
      ? `names an unknown provider "${provider}"`
      : 'names no provider'
  throw new Error(`RUNLOOM_MODEL=${spec} ${fault}. Use provider:name; the known providers are ${known}.`)
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
