// What the checkpointer's tests share: a migrated database, checkpointers as runs have them, which count what they write,
// and the plainest of graphs.
import type { BaseMessage } from '@langchain/core/messages'
import { MessagesAnnotation, StateGraph } from '@langchain/langgraph'
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint'
import { type Bulk, type Database, mergeBulks, openDatabase, type Steps, transition } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { Checkpointer } from '../../src/graph/checkpointer.ts'
import { wireText } from '../../src/graph/serde.ts'
import { StateCache } from '../../src/graph/state-cache.ts'
import { StateWriter } from '../../src/graph/state-writer.ts'

export const commit = transition(import.meta.url, 'commit', function* (writes: Bulk[]): Steps<void> {
  for (const bulk of mergeBulks(writes)) yield bulk
})

export async function openMigrated(url: string): Promise<Database> {
  const db = await openDatabase(url, { inline: true })
  await migrate(db)
  return db
}

interface RunOptions {
  thread_id?: string
  run_id?: string
  cache?: StateCache
}

/** A checkpointer for one run of a thread, with nothing in memory unless a cache is given. */
export function checkpointerOf(db: Database, { thread_id, run_id = 'run', cache = new StateCache() }: RunOptions = {}) {
  const state = new StateWriter({ thread_id: thread_id ?? 'thread', run_id })
  const written = { rows: 0, chars: 0 }
  const write = async (writes: Bulk[]) => {
    for (const row of writes.flatMap(bulk => bulk.rows)) {
      written.rows++
      for (const value of Object.values(row)) written.chars += String(value ?? '').length
    }
    await db.run(commit, writes)
  }
  const checkpointer = new Checkpointer({ db, run_id, state, write, cache, ...(thread_id && { thread_id }) })
  return { checkpointer, state, written, write }
}

type Messages = typeof MessagesAnnotation.State
type Reply = (state: Messages) => BaseMessage[] | Promise<BaseMessage[]>

/** A conversation: one node that answers. */
export function chat(checkpointer: BaseCheckpointSaver, reply: Reply) {
  return new StateGraph(MessagesAnnotation)
    .addNode('reply', async state => ({ messages: await reply(state) }))
    .addEdge('__start__', 'reply')
    .addEdge('reply', '__end__')
    .compile({ checkpointer })
}

/** A value as clients see it. */
export function wire(value: unknown) {
  return JSON.parse(wireText(value))
}

/** The values of a thread's newest checkpoint, or of one by id, read by nobody who wrote them. */
export async function stored(db: Database, thread_id: string, checkpoint_id?: string) {
  const { checkpointer } = checkpointerOf(db, { thread_id })
  const tuple = await checkpointer.getTuple({ configurable: { thread_id, ...(checkpoint_id && { checkpoint_id }) } })
  return tuple?.checkpoint.channel_values
}
