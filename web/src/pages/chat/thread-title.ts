// What a thread is called: as somebody has named it, as the agent has, or by its first words.
export interface ListedThread {
  thread_id: string
  status: string
  updated_at: string
  /** By task. */
  interrupts?: Record<string, unknown[]>
  metadata: { title?: unknown; assistant_id?: string } | null
  extracted?: { title?: unknown; first?: unknown }
}

const MOST_CHARS = 80

export const UNTITLED = 'Nothing said yet'

export function titleOf({ metadata, extracted }: Pick<ListedThread, 'metadata' | 'extracted'>): string {
  const found = [metadata?.title, extracted?.title, firstWords(extracted?.first)].find(isText)
  return found === undefined ? UNTITLED : found.trim().slice(0, MOST_CHARS)
}

function firstWords(content: unknown): string | undefined {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return undefined
  return content.map((part: { text?: string }) => part?.text ?? '').join(' ')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== ''
}
