// What the embedded client reads and changes beside runs (contracts: gateway §3.1): threads, models, files,
// skills, MCP servers, memory. Each method is a
// route of the API, called in process, and returns what that answers, by the same schema.
import { openAsBlob } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { z } from 'zod'
import { RunloomError } from '../core/errors.ts'
import { newestCheckpoints } from '../core/states.ts'
import { checkName, segmentsOf, virtualPath } from '../core/virtual-paths.ts'
import {
  type Checkpoint,
  type HistoryState,
  history,
  type ThreadList,
  threadSummaries,
} from '../protocol/client-threads.ts'
import {
  type UploadAnswer,
  type UploadDeleted,
  type UploadList,
  uploadAnswer,
  uploadDeleted,
  uploadList,
} from '../protocol/files.ts'
import { goalAnswer } from '../protocol/goals.ts'
import { mcpConfig } from '../protocol/mcp.ts'
import {
  type createFact,
  type MemoryDocument,
  memoryConfig,
  memoryDocument,
  memoryStatus,
  type patchFact,
} from '../protocol/memory.ts'
import { modelAnswer, modelsAnswer } from '../protocol/models.ts'
import { installedSkill, type Skill, skill, skillList } from '../protocol/skills.ts'
import type { Engine } from './embedded-engine.ts'
import { shownMessage, type WireMessage } from './embedded-text.ts'

type McpConfig = z.infer<typeof mcpConfig>

/** Checkpoints that are read at once. */
const HISTORY_PAGE = 100

export abstract class Resources {
  protected readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** Newest first. */
  async listThreads(limit = 10): Promise<ThreadList> {
    const found = await this.engine.call(threadSummaries, 'POST', '/threads/search', {
      limit,
      sort_by: 'created_at',
      sort_order: 'desc',
      select: ['thread_id', 'created_at', 'updated_at'],
      extract: { title: 'values.title' },
    })
    const { ports } = await this.engine.runtime()
    const ids = found.map(thread => thread.thread_id)
    const newest = await ports.db.run(newestCheckpoints, ids)
    const heads = new Map(newest.map(({ thread_id, checkpoint_id }) => [thread_id, checkpoint_id]))
    return {
      thread_list: found.map(({ extracted, ...thread }) => ({
        ...thread,
        latest_checkpoint_id: heads.get(thread.thread_id) ?? null,
        title: extracted.title ?? null,
      })),
    }
  }

  /** All checkpoints of a thread, oldest first. Throws `not_found`. */
  async getThread(threadId: string): Promise<{ thread_id: string; checkpoints: Checkpoint[] }> {
    const states: HistoryState[] = []
    for (let more = true; more; ) {
      const before = states.at(-1)?.checkpoint
      const page = await this.#history(threadId, { limit: HISTORY_PAGE, ...(before && { before }) })
      states.push(...page)
      more = page.length === HISTORY_PAGE
    }
    return { thread_id: threadId, checkpoints: states.reverse().map(checkpointOf) }
  }

  /** Null where the thread has none. */
  async getGoal(threadId: string): Promise<z.infer<typeof goalAnswer>> {
    return this.engine.call(goalAnswer, 'GET', `${thread(threadId)}/goal`)
  }

  /** What every turn of the thread is told of, from its next on. Throws `conflict` while one is running. */
  async setGoal(threadId: string, goal: string): Promise<z.infer<typeof goalAnswer>> {
    return this.engine.call(goalAnswer, 'PUT', `${thread(threadId)}/goal`, { goal })
  }

  async clearGoal(threadId: string): Promise<z.infer<typeof goalAnswer>> {
    return this.engine.call(goalAnswer, 'DELETE', `${thread(threadId)}/goal`)
  }

  async listModels(): Promise<z.infer<typeof modelsAnswer>> {
    return this.engine.call(modelsAnswer, 'GET', '/api/models')
  }

  /** Null for a name that no model has. */
  async getModel(name: string): Promise<z.infer<typeof modelAnswer> | null> {
    return known(async () => this.engine.call(modelAnswer, 'GET', `/api/models/${segment(name)}`))
  }

  /** Throws `not_found` for a path with no file, `malformed` for a folder; then nothing is uploaded. */
  async uploadFiles(threadId: string, paths: readonly string[]): Promise<UploadAnswer> {
    const form = new FormData()
    for (const path of paths) form.append('files', await fileAt(path), basename(path))
    return this.engine.call(uploadAnswer, 'POST', `${thread(threadId)}/uploads`, form)
  }

  /** Empty for a thread that there is not yet. */
  async listUploads(threadId: string): Promise<UploadList> {
    const list = await known(async () => this.engine.call(uploadList, 'GET', `${thread(threadId)}/uploads/list`))
    return list ?? { files: [], count: 0 }
  }

  /** Throws `not_found`, and `malformed` for what is no name of a file. */
  async deleteUpload(threadId: string, filename: string): Promise<UploadDeleted> {
    checkName(filename, 'filename')
    return this.engine.call(uploadDeleted, 'DELETE', `${thread(threadId)}/uploads/${segment(filename)}`)
  }

  /**
   * A file of the thread by its virtual path, `/mnt/user-data/outputs/report.md`, with or without the first slash. Throws
   * `not_found`, `forbidden` for a path that leads out, `malformed` for any other and for a folder.
   */
  async getArtifact(threadId: string, path: string): Promise<{ content: Uint8Array; mime_type: string }> {
    const segments = virtualPath(segmentsOf(path)).split('/').map(encodeURIComponent).join('/')
    const response = await this.engine.request('GET', `${thread(threadId)}/artifacts${segments}`)
    const [mime_type = ''] = (response.headers.get('content-type') ?? '').split(';')
    return { content: new Uint8Array(await response.arrayBuffer()), mime_type }
  }

  /** Those that are switched off, too, unless told otherwise. */
  async listSkills({ enabledOnly = false }: { enabledOnly?: boolean } = {}): Promise<z.infer<typeof skillList>> {
    const { skills } = await this.engine.call(skillList, 'GET', '/api/skills')
    return { skills: enabledOnly ? skills.filter(({ enabled }) => enabled) : skills }
  }

  /** Null for a name that no skill has. */
  async getSkill(name: string): Promise<Skill | null> {
    return known(async () => this.engine.call(skill, 'GET', `/api/skills/${segment(name)}`))
  }

  /** Throws `not_found`. */
  async updateSkill(name: string, enabled: boolean): Promise<Skill> {
    return this.engine.call(skill, 'PUT', `/api/skills/${segment(name)}`, { enabled })
  }

  /** From an archive of this machine, `.skill` or `.zip`. Throws `not_found`, or what is wrong with it. */
  async installSkill(path: string): Promise<z.infer<typeof installedSkill>> {
    const archive = await fileAt(path)
    if (!/\.(skill|zip)$/i.test(path)) throw new RunloomError('malformed', `${path}: name an archive, .skill or .zip`)
    return this.engine.call(installedSkill, 'POST', '/api/skills/install', archive)
  }

  /** Secrets are masked. */
  async getMcpConfig(): Promise<McpConfig> {
    return this.engine.call(mcpConfig, 'GET', '/api/mcp/config')
  }

  /** Puts these in the place of all that there were; a masked secret stays as it was. */
  async updateMcpConfig(servers: z.input<typeof mcpConfig>['mcp_servers']): Promise<McpConfig> {
    return this.engine.call(mcpConfig, 'PUT', '/api/mcp/config', { mcp_servers: servers })
  }

  async getMemory(): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'GET', '/api/memory')
  }

  async exportMemory(): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'GET', '/api/memory/export')
  }

  /** Puts a document in the place of what was remembered. */
  async importMemory(document: z.input<typeof memoryDocument>): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'POST', '/api/memory/import', document)
  }

  async reloadMemory(): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'POST', '/api/memory/reload')
  }

  async clearMemory(): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'DELETE', '/api/memory')
  }

  async createMemoryFact(fact: z.input<typeof createFact>): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'POST', '/api/memory/facts', fact)
  }

  /** What is left out stays as it was. Throws `not_found`. */
  async updateMemoryFact(id: string, changes: z.input<typeof patchFact>): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'PATCH', `/api/memory/facts/${segment(id)}`, changes)
  }

  /** Throws `not_found`. */
  async deleteMemoryFact(id: string): Promise<MemoryDocument> {
    return this.engine.call(memoryDocument, 'DELETE', `/api/memory/facts/${segment(id)}`)
  }

  async getMemoryConfig(): Promise<z.infer<typeof memoryConfig>> {
    return this.engine.call(memoryConfig, 'GET', '/api/memory/config')
  }

  async getMemoryStatus(): Promise<z.infer<typeof memoryStatus>> {
    return this.engine.call(memoryStatus, 'GET', '/api/memory/status')
  }

  #history(threadId: string, query: object): Promise<HistoryState[]> {
    return this.engine.call(history, 'POST', `/threads/${segment(threadId)}/history`, query)
  }
}

function thread(id: string): string {
  return `/api/threads/${segment(id)}`
}

/** A name as a part of a path; "." and ".." would be understood as folders. */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..') throw new RunloomError('not_found', `"${name}" not found`)
  return encodeURIComponent(name)
}

/** Null in the place of `not_found`. */
async function known<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof RunloomError && error.code === 'not_found') return null
    throw error
  }
}

/** Read as it is sent. */
async function fileAt(path: string): Promise<Blob> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new RunloomError('not_found', `There is no file ${path}`, { cause })
  })
  if (!found.isFile()) throw new RunloomError('malformed', `${path} is no file`)
  return openAsBlob(path)
}

function checkpointOf(state: HistoryState): Checkpoint {
  const { checkpoint, parent_checkpoint, created_at, metadata, values, next, tasks } = state
  const messages = [values.messages ?? []].flat() as WireMessage[]
  return {
    checkpoint_id: checkpoint?.checkpoint_id ?? null,
    parent_checkpoint_id: parent_checkpoint?.checkpoint_id ?? null,
    ts: created_at,
    metadata,
    values: { ...values, messages: messages.map(message => shownMessage(message, message.id ?? null)) },
    next,
    pending_writes: tasks.flatMap(({ id: task_id, result, interrupts, error }) => [
      ...Object.entries(result ?? {}).map(([channel, value]) => ({ task_id, channel, value })),
      ...interrupts.map(value => ({ task_id, channel: '__interrupt__', value })),
      ...(error == null ? [] : [{ task_id, channel: '__error__', value: error }]),
    ]),
  }
}
