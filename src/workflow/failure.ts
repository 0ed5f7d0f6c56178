// Why a node failed, as events and snapshots show it.
import type { EventError } from '../protocol/workflow-events.ts'

export class NodeFailure extends Error {
  override name = 'NodeFailure'
  readonly code: string
  /** Raw text of a provider: in snapshots only. */
  readonly detail: string | undefined

  constructor(code: string, message: string, detail?: string) {
    super(message)
    this.code = code
    this.detail = detail
  }
}

export function errorOf(error: unknown): EventError & { detail?: string } {
  if (error instanceof NodeFailure) {
    const { code, message, detail } = error
    return { code, message, ...(detail !== undefined && { detail }) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: 'internal', message: message || 'failed without a message' }
}

/** A run's error, from the first node that failed it. */
export function runError(node_id: string, cause: unknown): Error {
  const { code, message } = errorOf(cause)
  return Object.assign(new Error(`${node_id}: ${message}`), { name: code ?? 'Error' })
}
