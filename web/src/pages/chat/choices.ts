// What one has chosen beside the composer: whom to talk to, with which model, in which modes. Kept in this browser.
import { useState } from 'react'

export interface Choices {
  assistant_id?: string
  model_name?: string
  is_plan_mode?: boolean
  thinking_enabled?: boolean
  subagent_enabled?: boolean
}

/** Whom one talks to without another choice. */
export const ASSISTANT = 'agent'

const KEY = 'runloom:chat'

function kept(): Choices {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Choices
  } catch {
    return {}
  }
}

export function useChoices(): [Choices, (choices: Choices) => void] {
  const [choices, setChoices] = useState(kept)
  const set = (next: Choices) => {
    localStorage.setItem(KEY, JSON.stringify(next))
    setChoices(next)
  }
  return [choices, set]
}

/** The run's context: what was chosen, and nothing else, so that other graphs are not told what they do not know. */
export function contextOf({ assistant_id: _, ...choices }: Choices): Record<string, unknown> | undefined {
  const chosen = Object.entries(choices).filter(([, value]) => value !== undefined && value !== false && value !== '')
  return chosen.length > 0 ? Object.fromEntries(chosen) : undefined
}
