// What a turn has spent: tokens as its messages say, and money where its models have a price.
import type { AIMessage } from '@langchain/langgraph-sdk'

/** A model as `/api/models` shows it. */
export interface Model {
  name: string
  model: string
  display_name: string
  description: string | null
  supports_thinking: boolean
  /** US dollars for a million tokens. */
  price?: { input?: number; cached_input?: number; output?: number }
}

export interface Spent {
  input: number
  output: number
  /** US dollars; undefined where a model has no price. */
  cost: number | undefined
}

export function spentBy(answers: readonly AIMessage[], models: readonly Model[]): Spent {
  const spent: Spent = { input: 0, output: 0, cost: 0 }
  for (const { usage_metadata: usage, response_metadata } of answers) {
    if (!usage) continue
    const { input_tokens, output_tokens } = usage
    const cached = usage.input_token_details?.cache_read ?? 0
    spent.input += input_tokens
    spent.output += output_tokens
    const name = (response_metadata as { model_name?: string } | undefined)?.model_name
    const price = models.find(one => one.model === name || one.name === name)?.price
    if (!price || spent.cost === undefined) spent.cost = undefined
    else {
      const { input = 0, cached_input = input, output = 0 } = price
      spent.cost += ((input_tokens - cached) * input + cached * cached_input + output_tokens * output) / 1e6
    }
  }
  return spent
}

const money = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumSignificantDigits: 2 })

/** `87 in, 10 out`, and what that costs. */
export function wordsFor({ input, output, cost }: Spent): string {
  const tokens = `${input.toLocaleString('en')} tokens in, ${output.toLocaleString('en')} out`
  return cost ? `${tokens} · ${money.format(cost)}` : tokens
}
