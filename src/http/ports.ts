// What the routers work with; the runtime provides it.

import type { ChatModels } from '../agent/models.ts'
import type { SizeLimits } from '../core/limits.ts'
import type { Logger } from '../core/logger.ts'
import type { McpSettings } from '../core/mcp-servers.ts'
import type { QueueGate } from '../core/queue.ts'
import type { Skills } from '../core/skills.ts'
import type { ThreadFiles } from '../core/thread-files.ts'
import type { ThreadLog } from '../core/thread-log.ts'
import type { Ttl } from '../core/threads.ts'
import type { Uploads } from '../core/uploads.ts'
import type { WebhookPolicy } from '../core/webhook-policy.ts'
import type { Worker } from '../core/worker.ts'
import type { Database } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import type { EventLog } from '../events/event-log.ts'
import type { StateTexts } from '../events/state.ts'
import type { Graphs } from '../graph/load.ts'
import type { ThreadStates } from '../graph/state.ts'
import type { ItemStore } from '../graph/store.ts'
import type { TypeReader } from '../graph/type-schemas.ts'
import type { HttpConfig } from '../protocol/config-file.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import type { Authenticate, AuthFile } from './auth-file.ts'
import type { HeaderPicker } from './headers.ts'
import type { Metrics } from './metrics.ts'

export interface Ports {
  db: Database
  log: EventLog
  threads: ThreadLog
  files: ThreadFiles
  uploads: Uploads
  bus: Bus
  worker: Worker
  /** Every run that HTTP creates goes through it. */
  gate: QueueGate
  limits: SizeLimits & { max_body_bytes: number }
  graphs: Graphs
  types: TypeReader
  states: ThreadStates
  texts: StateTexts
  store: ItemStore
  models: ChatModels
  memory: AgentConfig['memory']
  skills: Skills
  mcp: McpSettings
  /** Which webhooks are taken. */
  webhooks: WebhookPolicy
  /** Who sends a request; undefined: nobody has to say. */
  authenticate: Authenticate | undefined
  /** Who may do what; undefined: everybody everything. */
  handlers: AuthFile['handlers'] | undefined
  logger: Logger
  metrics: Metrics
  http: HttpConfig
  /** Headers of a request that its run may see. */
  pickHeaders: HeaderPicker
  /** Of threads that are created without one. */
  ttl: Ttl | undefined
  /** Of this package. */
  version: string
  langgraph_version: string
  heartbeat_ms: number
}
