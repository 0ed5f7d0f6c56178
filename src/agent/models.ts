// The chat models of a server, by name: those of its configuration, and any that a provider of LangChain's has, written
// `provider:name`. Without any there is the offline one. Each is made once.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { _inferModelProvider } from 'langchain/chat_models/universal'
import { type ModelConfig, modelConfig, type Price } from '../protocol/runloom-file.ts'
import { type ModelEnv, type ModelSettings, providerModel } from './provider-model.ts'

/** The name of the model that needs no provider. */
export const OFFLINE = 'offline'

const MOST_MODELS = 1_000

export class ChatModels {
  /** What `default` stands for: the first of the configuration, else RUNLOOM_MODEL, else the offline model. */
  readonly default_name: string
  readonly #configured: readonly ModelConfig[]
  readonly #env: ModelEnv
  readonly #made = new Map<string, Promise<BaseChatModel>>()

  /** `serversOwn` is `provider:name`. */
  constructor(configured: readonly ModelConfig[], serversOwn: string | undefined, env: ModelEnv) {
    this.#configured = configured
    this.#env = env
    this.default_name = configured[0]?.name ?? (serversOwn || OFFLINE)
  }

  /** The models to choose from, the default one first. Never empty. */
  list(): readonly ModelConfig[] {
    return this.#configured.length > 0 ? this.#configured : [named(this.default_name)]
  }

  /** One of `list`, by its name or as `default`. */
  find(name: string): ModelConfig | undefined {
    const known = this.list()
    return known.find(model => model.name === name) ?? (name === 'default' ? known[0] : undefined)
  }

  /** By the name of a model, else by what its provider calls it, which is how answers name their model. */
  priceOf(name: string): Price | undefined {
    const found = this.find(name) ?? this.#configured.find(({ model }) => model === name)
    return found?.price
  }

  /**
   * A configured model; `default`; `offline`; `provider:name`; or a name from which LangChain knows the provider. What a
   * model cannot do is not asked of it. Rejects with an Error that says what to do.
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

  /** The variable that a model's key is looked for in, where it has none. Rejects as `get` does. */
  async missingKey(name: string): Promise<string | undefined> {
    const model: BaseChatModel & { apiKey?: unknown } = await this.get(name)
    return model.apiKey ? undefined : model.lc_secrets?.apiKey
  }

  async #make(name: string, settings: ModelSettings): Promise<BaseChatModel> {
    const found = this.find(name)
    if (!found) {
      const spec = name.includes(':') || name === OFFLINE ? name : `${_inferModelProvider(name) ?? ''}:${name}`
      return providerModel(named(spec), settings, { label: `model "${name}"`, env: this.#env })
    }
    const label = this.#configured.length > 0 ? `model "${found.name}"` : `RUNLOOM_MODEL=${found.name}`
    return providerModel(found, settings, { label, env: this.#env })
  }
}

const BARE = modelConfig.parse({ name: OFFLINE, provider: OFFLINE })

/** A model that nobody configured: `provider:name`, or `offline`. Nobody here knows what it can do. */
function named(spec: string): ModelConfig {
  if (spec === OFFLINE) {
    const description = 'A few fixed rules; set RUNLOOM_MODEL for a real model'
    return { ...BARE, display_name: 'Offline model', description }
  }
  const [provider = '', ...name] = spec.split(':')
  const model = name.join(':')
  return { ...BARE, name: spec, provider: name.length > 0 ? provider : '', model: name.length > 0 ? model : spec }
}
