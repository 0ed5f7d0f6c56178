// What the routers work with; the runtime provides it.

import type { SizeLimits } from '../core/limits.ts'
import type { Logger } from '../core/logger.ts'
import type { QueueGate } from '../core/queue.ts'
import type { ThreadLog } from '../core/thread-log.ts'
import type { WebhookPolicy } from '../core/webhook-policy.ts'
import type { Worker } from '../core/worker.ts'
import type { Database } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import type { EventLog } from '../events/event-log.ts'
import type { StateTexts } from '../events/state.ts'
import type { Graphs } from '../graph/load.ts'
import type { ThreadStates } from '../graph/state.ts'
import type { ItemStore } from '../graph/store.ts'

export interface Ports {
  db: Database
  log: EventLog
  threads: ThreadLog
  bus: Bus
  worker: Worker
  /** Every run that HTTP creates goes through it. */
  gate: QueueGate
  limits: SizeLimits & { max_body_bytes: number }
  graphs: Graphs
  states: ThreadStates
  texts: StateTexts
  store: ItemStore
  /** Which webhooks are taken. */
  webhooks: WebhookPolicy
  logger: Logger
  /** Of this package. */
  version: string
  heartbeat_ms: number
}
