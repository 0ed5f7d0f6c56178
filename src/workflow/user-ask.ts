// The one tool that means a person (contracts: workflows §6): its question, and what counts as an answer.
import { z } from 'zod'
import { argumentsOf } from './model-call.ts'
import type { MessageToolCall } from './plan.ts'

const USER_ASK = 'user_ask'

const question = z.object({
  question: z.string().refine(text => text.trim() !== '', { error: 'must not be blank' }),
  options: z.array(z.object({ label: z.string().min(1), description: z.string().optional() })).optional(),
  allow_freeform: z.boolean().default(true),
})

const answer = z.object({
  answer: z.string().refine(text => text.trim() !== ''),
  is_freeform: z.boolean().default(true),
})

/** What a call asks the user, or what is wrong with it; undefined when it is a call of another tool. */
export function askOf(call: MessageToolCall): z.infer<typeof question> | { fault: string } | undefined {
  if (call.function.name !== USER_ASK) return undefined
  const parsed = question.safeParse(argumentsOf(call))
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`)
  return { fault: `user_ask could not be asked: ${faults.join('; ')}` }
}

/** What a client sent for it; any other text is a free answer. */
export function answerOf(output: string): z.infer<typeof answer> {
  try {
    const parsed = answer.safeParse(JSON.parse(output))
    if (parsed.success) return parsed.data
  } catch {
    // no JSON: a free answer
  }
  return { answer: output.trim() === '' ? '(no answer)' : output, is_freeform: true }
}
