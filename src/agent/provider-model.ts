// A chat model of one provider, made by LangChain from what the configuration says of it: each provider's class has its own
// names for the same things.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { initChatModel } from 'langchain'
import { MODEL_PROVIDER_CONFIG } from 'langchain/chat_models/universal'
import type { ModelConfig } from '../protocol/runloom-file.ts'
import { OfflineModel } from './offline-model.ts'

/** What is read of the environment. Providers' own packages read their keys from the process. */
export type ModelEnv = {
  OPENAI_BASE_URL?: string | undefined
  OPENAI_API_BASE?: string | undefined
  OPENAI_API_KEY?: string | undefined
}

/** What one use of a model may ask for. */
export interface ModelSettings {
  max_output_tokens?: number
  temperature?: number
  thinking?: boolean
  /** `low`, `medium`, `high`, or what the provider has besides. */
  reasoning_effort?: string
}

type Fields = Record<string, unknown>

const PACKAGES = new Map<string, string>(
  Object.entries(MODEL_PROVIDER_CONFIG).map(([provider, config]) => [provider, config.package]),
)

/**
 * Makes a model. Throws an Error that begins with `label` and names the remedy when the provider is unknown or its package
 * is not installed.
 */
export async function providerModel(
  config: ModelConfig,
  settings: ModelSettings,
  { label, env }: { label: string; env: ModelEnv },
): Promise<BaseChatModel> {
  if (config.provider === 'offline') return new OfflineModel()
  const { provider, model = config.name } = config
  const missing = fault(provider, model)
  if (missing)
    throw new Error(`${label} ${missing}; the known providers are ${[...PACKAGES.keys()].sort().join(', ')}.`)
  try {
    const configurable = await initChatModel(`${provider}:${model}`, fieldsOf(config, settings, env))
    // What initChatModel returns lets each run's config name another model, and caches a client for every distinct
    // config. A server wants the one model that its operator chose.
    return withWindow(await configurable._getModelInstance(), config)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const [, missing] = /^Unable to import (\S+?)\. /.exec(reason) ?? []
    if (missing === undefined) throw new Error(`${label}: ${reason}`, { cause })
    throw new Error(`${label}: the package of provider "${provider}" is not installed. Run: npm install ${missing}`, {
      cause,
    })
  }
}

function fault(provider: string, model: string): string | undefined {
  if (PACKAGES.has(provider)) return model === '' ? 'names no model. Use provider:name' : undefined
  return provider === ''
    ? 'names no provider. Use provider:name'
    : `names an unknown provider "${provider}". Use provider:name`
}

/** Where summarization reads how much fits into a model. */
function withWindow(model: BaseChatModel, { max_input_tokens }: ModelConfig): BaseChatModel {
  if (max_input_tokens === undefined) return model
  const profile = { ...model.profile, maxInputTokens: max_input_tokens }
  return Object.defineProperty(model, 'profile', { value: profile })
}

/** What the fields of a provider's class are called. */
interface Names {
  base_url: (url: string) => Fields
  max_output_tokens: string
  timeout?: (milliseconds: number) => Fields
  reasoning_effort?: (effort: string) => Fields
}

/** ChatOpenAI and what extends it. */
const OPENAI: Names = {
  base_url: baseURL => ({ configuration: { baseURL } }),
  max_output_tokens: 'maxTokens',
  timeout: timeout => ({ timeout }),
  reasoning_effort: reasoning_effort => ({ modelKwargs: { reasoning_effort } }),
}

const MISTRAL: Names = { base_url: serverURL => ({ serverURL }), max_output_tokens: 'maxTokens' }

const OTHERS: Readonly<Record<string, Names>> = {
  anthropic: {
    base_url: anthropicApiUrl => ({ anthropicApiUrl }),
    max_output_tokens: 'maxTokens',
    timeout: timeout => ({ clientOptions: { timeout } }),
    reasoning_effort: effort => ({ outputConfig: { effort } }),
  },
  'google-genai': { base_url: baseUrl => ({ baseUrl }), max_output_tokens: 'maxOutputTokens' },
  groq: {
    base_url: baseUrl => ({ baseUrl }),
    max_output_tokens: 'maxTokens',
    timeout: timeout => ({ timeout }),
    reasoning_effort: reasoningEffort => ({ reasoningEffort }),
  },
  mistral: MISTRAL,
  mistralai: MISTRAL,
  ollama: { base_url: baseUrl => ({ baseUrl }), max_output_tokens: 'numPredict' },
}

function fieldsOf(config: ModelConfig, settings: ModelSettings, env: ModelEnv): Fields {
  const names = OTHERS[config.provider] ?? OPENAI
  const { base_url, api_key, timeout_seconds } = config
  const temperature = settings.temperature ?? config.temperature
  const max_output_tokens = settings.max_output_tokens ?? config.max_output_tokens
  const effort = config.supports_reasoning_effort ? settings.reasoning_effort : undefined
  return [
    base_url === undefined ? {} : names.base_url(base_url),
    api_key === undefined ? {} : { apiKey: api_key },
    temperature === undefined ? {} : { temperature },
    max_output_tokens === undefined ? {} : { [names.max_output_tokens]: max_output_tokens },
    names.timeout?.(timeout_seconds * 1_000) ?? {},
    config.provider === 'openai' ? openaiFields(config, env) : {},
    effort === undefined ? {} : (names.reasoning_effort?.(effort) ?? {}),
    config.parameters,
    settings.thinking && config.supports_thinking ? config.thinking_parameters : {},
  ].reduce(merged)
}

/** Objects in them are merged, too: several of them have `modelKwargs`. */
function merged(before: Fields, after: Fields): Fields {
  const both = { ...before, ...after }
  for (const [key, value] of Object.entries(after)) {
    const old = before[key]
    if (isObject(old) && isObject(value)) both[key] = { ...old, ...value }
  }
  return both
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Servers that speak OpenAI's protocol rarely have its Responses API, and often need no key; the SDK insists on one. A key
// that was set for OpenAI is for nobody whom the configuration names.
function openaiFields({ base_url, api_key }: ModelConfig, env: ModelEnv): Fields {
  const baseURL = base_url ?? (env.OPENAI_BASE_URL || env.OPENAI_API_BASE)
  if (!baseURL) return {}
  const inherited = base_url === undefined ? env.OPENAI_API_KEY : undefined
  return {
    apiKey: api_key ?? (inherited || 'none'),
    configuration: { baseURL },
    useResponsesApi: false,
    streamUsage: true,
  }
}
