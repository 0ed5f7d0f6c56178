// Whether a run may be made: by who asks, with this assistant, on this thread or on one that is made for it.
import type { Context } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { jsonText } from '../core/json.ts'
import type { CreateRun } from '../core/runs.ts'
import { getThread } from '../core/threads.ts'
import { ownedBy } from '../core/users.ts'
import { namedAssistant, permit } from './access.ts'
import { userOf } from './authentication.ts'
import type { Ports } from './ports.ts'

/** The run as the handlers have left it, with what it may touch and for whom it is. */
export async function permittedRun(ports: Ports, c: Context, run: CreateRun): Promise<CreateRun> {
  const user = userOf(c)
  const made = user ? { ...run, auth_user: jsonText(user) } : run
  const owned = ownedBy(user)
  if (!ports.handlers) return owned ? { ...made, allowed: owned, assistant_allowed: owned } : made
  const { value, allowed } = await permit(ports, c, 'threads:create_run', askedFor(run))
  const { assistant_id, metadata, multitask_strategy, kwargs, after_seconds } = value
  const after_ms = Math.round((after_seconds ?? 0) * 1000)
  const asked: CreateRun = { ...made, allowed, assistant_id, metadata, multitask_strategy, kwargs, after_ms }
  const named = { assistant_id: namedAssistant(assistant_id) }
  asked.assistant_allowed = (await permit(ports, c, 'assistants:read', named)).allowed
  if (run.if_not_exists === 'reject') return asked
  // A thread that is there already is run on under the filter above; should it go meanwhile, none is made unasked.
  if (run.if_not_exists === 'create' && (await exists(ports, run.thread_id)))
    return { ...asked, if_not_exists: 'reject' }
  const thread = { thread_id: run.thread_id, metadata: { ...metadata }, if_exists: 'do_nothing' }
  const created = await permit(ports, c, 'threads:create', thread)
  return { ...asked, thread_metadata: created.value.metadata }
}

/** In the shape that handlers of the official server are given. */
function askedFor({ run_id, thread_id, assistant_id, if_not_exists, after_ms, ...run }: CreateRun) {
  const { metadata, multitask_strategy, kwargs } = run
  return {
    run_id,
    thread_id: if_not_exists === 'temporary' ? null : thread_id,
    assistant_id,
    status: 'pending',
    metadata: { ...metadata },
    multitask_strategy,
    prevent_insert_if_inflight: multitask_strategy === 'reject',
    if_not_exists: if_not_exists === 'reject' ? 'reject' : 'create',
    after_seconds: after_ms / 1000,
    kwargs: { ...kwargs },
  }
}

async function exists({ db }: Ports, thread_id: string): Promise<boolean> {
  try {
    await db.run(getThread, { thread_id })
    return true
  } catch (error) {
    if (error instanceof RunloomError && error.code === 'not_found') return false
    throw error
  }
}
