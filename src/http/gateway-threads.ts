// Threads and their states as the gateway dialect has them (contracts: gateway §2).
import { deleteIdleThread } from '../core/threads.ts'
import * as protocol from '../protocol/gateway.ts'
import type { Ports } from './ports.ts'
import type { StateFace } from './states.ts'
import type { ThreadFace } from './threads.ts'

interface State {
  values: { messages?: unknown } | null
  checkpoint?: { checkpoint_id?: string | null } | null
  parent_checkpoint?: { checkpoint_id?: string | null } | null
}

/** Creating one that is there is not an error; deleting one with a run in flight is. */
export const threadFace: ThreadFace = {
  createThread: protocol.createThread,
  deleteThread: deleteIdleThread,
  deleted: c => c.json({ success: true, message: `Thread ${c.req.param('thread_id')} is deleted` }),
}

export function stateFace({ states }: Ports): StateFace {
  return {
    updateState: protocol.updateState,
    history: protocol.history,
    state: text => JSON.stringify(withIds(JSON.parse(text))),
    // Messages are in the newest state alone: the others would repeat them.
    states: text =>
      JSON.stringify(
        (JSON.parse(text) as State[]).map((state, n) => withIds(n === 0 ? state : withoutMessages(state))),
      ),
    async updated(checkpoint, thread) {
      const state = withIds(JSON.parse(await states.get(thread, { checkpoint })))
      return JSON.stringify({ ...state, checkpoint, configurable: checkpoint })
    },
  }
}

function withIds(state: State) {
  return {
    ...state,
    checkpoint_id: state.checkpoint?.checkpoint_id ?? null,
    parent_checkpoint_id: state.parent_checkpoint?.checkpoint_id ?? null,
  }
}

function withoutMessages({ values, ...state }: State): State {
  const { messages: _, ...rest } = values ?? {}
  return { ...state, values: values && rest }
}
