// What a run may be created with, and its form on the wire (contracts: workflows §2.2). Texts are trimmed; blank ones are
// left out, as if they had not been given.
import { z } from 'zod'
import { ValidationError } from './errors.ts'

export interface RunOptions {
  /** The session that the run leaves its answers in. */
  sessionId?: string | undefined
  /** Values of the declared inputs, by name. */
  input?: Record<string, unknown> | undefined
  /** The model of every node. */
  modelOverride?: string | undefined
  /** Models by node, and by subnode of fan-outs; they go before `modelOverride`. */
  modelOverrides?:
    | {
        nodes?: Record<string, string> | undefined
        fanoutSubnodes?: { parentId: string; subnodeId: string; model: string }[] | undefined
      }
    | undefined
  /** Whether all model nodes stream; the workflow says where it is absent. */
  stream?: boolean | undefined
  /** Calls with the same key make one run. */
  idempotencyKey?: string | undefined
}

export function runOptions(options: RunOptions): object {
  const { nodes, fanoutSubnodes } = options.modelOverrides ?? {}
  const sessionId = trimmed('sessionId', options.sessionId)
  const overrides = {
    ...filled('nodes', nodeModels(nodes)),
    ...filled('fanout_subnodes', subnodeModels(fanoutSubnodes)),
  }
  return {
    ...(options.input !== undefined && { input: options.input }),
    ...filled('model_override', trimmed('modelOverride', options.modelOverride)),
    ...(Object.keys(overrides).length > 0 && { model_overrides: overrides }),
    ...(sessionId && { session_id: uuid('sessionId', sessionId) }),
    ...(options.stream !== undefined && { stream: options.stream }),
    options: { idempotency_key: trimmed('idempotencyKey', options.idempotencyKey) || newKey() },
  }
}

/** An id as the server has them. */
export function uuid(field: string, value: string): string {
  const id = typeof value === 'string' ? value.trim() : ''
  if (!z.uuid().safeParse(id).success) throw new ValidationError(field, 'must be a UUID')
  if (/^[0-]+$/.test(id)) throw new ValidationError(field, 'must not be the nil UUID')
  return id
}

function nodeModels(nodes: Record<string, string> = {}): Record<string, string> | undefined {
  const models = Object.entries(nodes).map(([id, model]) => [
    id.trim(),
    trimmed(`modelOverrides.nodes.${id}`, model) ?? '',
  ])
  const given = models.filter(([id, model]) => id && model)
  return given.length > 0 ? Object.fromEntries(given) : undefined
}

function subnodeModels(subnodes: { parentId: string; subnodeId: string; model: string }[] = []) {
  const models = subnodes.map(({ parentId, subnodeId, model }, index) => {
    const at = `modelOverrides.fanoutSubnodes.${index}`
    return {
      parent_id: trimmed(`${at}.parentId`, parentId),
      subnode_id: trimmed(`${at}.subnodeId`, subnodeId),
      model: trimmed(`${at}.model`, model),
    }
  })
  const given = models.filter(({ parent_id, subnode_id, model }) => parent_id && subnode_id && model)
  return given.length > 0 ? given : undefined
}

function filled<T>(name: string, value: T | undefined): Record<string, T> {
  return value ? { [name]: value } : {}
}

function trimmed(field: string, value: string | undefined): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new ValidationError(field, 'must be a text')
  return value.trim()
}

/** 128 random bits. `crypto.randomUUID` is not there on pages that did not come by HTTPS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
