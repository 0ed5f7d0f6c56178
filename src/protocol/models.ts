// The models that a server offers, as they are told (contracts: gateway §2): never a key, never where they are.
import { z } from 'zod'
import { type ModelConfig, price } from './runloom-file.ts'

/** `GET /api/models/{name}`. */
export const modelAnswer = z.object({
  name: z.string(),
  /** The provider's name of it. */
  model: z.string(),
  display_name: z.string(),
  description: z.string().nullable(),
  supports_thinking: z.boolean(),
  supports_reasoning_effort: z.boolean(),
  supports_vision: z.boolean(),
  /** Tokens; absent where nobody said. */
  max_input_tokens: z.number().int().optional(),
  price: price.optional(),
})

/** `GET /api/models`; the first is the one that runs get which name none. */
export const modelsAnswer = z.object({
  models: z.array(modelAnswer),
  token_usage: z.object({ enabled: z.boolean() }),
})

/** A model as it is told. */
export function wireModel(config: ModelConfig): z.infer<typeof modelAnswer> {
  const { name, model = name, display_name = model, description = null, max_input_tokens, price } = config
  const { supports_thinking, supports_reasoning_effort, supports_vision } = config
  return {
    name,
    model,
    display_name,
    description,
    supports_thinking,
    supports_reasoning_effort,
    supports_vision,
    ...(max_input_tokens !== undefined && { max_input_tokens }),
    ...(price && { price }),
  }
}
