// The gateway dialect as a face (contracts: gateway §1.2–§1.4): its defaults, its frames, its results.
import { RunloomError } from '../core/errors.ts'
import type { Run } from '../core/runs.ts'
import { getThread } from '../core/threads.ts'
import { waitResult } from '../graph/projection.ts'
import * as protocol from '../protocol/gateway.ts'
import { parse, parseBody } from './errors.ts'
import { endingOf, type Face, lastValues } from './face.ts'
import { feedbackLinks, gatewayFrames } from './gateway-frames.ts'
import type { Ports } from './ports.ts'

const RECURSION_LIMIT = 100

/** What clients of the dialect call the assistant that is there without being named. */
const DEFAULT_ASSISTANT = 'lead_agent'

export const gateway: Face = {
  name: 'gateway',
  base: '/api',
  thread_id: protocol.threadId,
  request(ports, text, onThread) {
    const { assistant_id, command, follow_up_to_run_id, ...given } = parseBody(text, protocol.createRun)
    if (command?.action != null) {
      throw new RunloomError('unsupported', 'command.action is not served; cancel the run with action=rollback instead')
    }
    if (given.webhook != null && ports.webhooks.disabled) {
      throw new RunloomError('unavailable', 'webhook: this server calls none (http.disable_webhooks)')
    }
    const thread_id = onThread ?? threadNamed(given.config?.configurable?.thread_id)
    const forked = given.checkpoint?.thread_id
    if (forked != null && forked !== thread_id) {
      throw new RunloomError('invalid', `checkpoint.thread_id: "${forked}" is not the thread that the run is for`)
    }
    return {
      ...given,
      command,
      assistant_id: assistantNamed(ports, assistant_id),
      recursion_limit: RECURSION_LIMIT,
      ...(follow_up_to_run_id != null && { follow_up_to_run_id }),
      ...(thread_id !== undefined && { thread_id }),
    }
  },
  runPath: ({ thread_id, run_id }) => `/threads/${thread_id}/runs/${run_id}`,
  frames: gatewayFrames,
  async result(ports, run, outcome) {
    if (!outcome) return JSON.stringify({ status: 'interrupted', error: 'The run was rolled back or deleted' })
    const { status } = outcome.run
    const { error, interrupts = [] } = endingOf(outcome.run)
    if (error) return JSON.stringify({ status, error: error.message, __error__: error })
    const values = (await lastValues(ports, outcome)) ?? (await threadValues(ports, run))
    if (values === null && interrupts.length === 0) return JSON.stringify({ status, error: null })
    const links = feedbackLinks(run)
    if (!links) return waitResult(values, interrupts)
    return JSON.stringify({ ...JSON.parse(waitResult(values, interrupts)), __feedback__: links })
  },
}

/** The id of the assistant that a client means: without a name, or by the default one's, what is registered. */
export function assistantNamed({ graphs }: Pick<Ports, 'graphs'>, name: string | null | undefined): string {
  if (name != null && name !== DEFAULT_ASSISTANT) return name
  return graphs.ids().includes(DEFAULT_ASSISTANT) ? DEFAULT_ASSISTANT : 'agent'
}

/** JSON text of what a thread has come to; null where it has no state, or is gone. */
export async function threadValues({ db, states }: Ports, { thread_id }: Pick<Run, 'thread_id'>) {
  try {
    return await states.values(await db.run(getThread, { thread_id }))
  } catch (error) {
    if (error instanceof RunloomError && error.code === 'not_found') return null
    throw error
  }
}

/** The thread that a stateless call runs on nevertheless. */
function threadNamed(named: unknown): string | undefined {
  return named == null ? undefined : parse(protocol.threadId, String(named), 'config.configurable.thread_id')
}
