// Accepting a run: from a request to a row in one transaction. With a free slot the same transaction starts it here.
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { newId } from '../core/ids.ts'
import { refuseLargeInput } from '../core/limits.ts'
import type { RunConfig } from '../core/run-config.ts'
import { acceptRun } from '../core/run-requests.ts'
import { type CreateRun, createRuns, type Run } from '../core/runs.ts'
import * as protocol from '../protocol/runs.ts'
import { userOf } from './authentication.ts'
import { bodyText, parse, parseBody } from './errors.ts'
import type { Face, RunRequest } from './face.ts'
import type { Ports } from './ports.ts'
import { permittedRun } from './run-access.ts'

export interface Accepted {
  run: Run
  /** This request's own, also where an Idempotency-Key brought back an earlier run. */
  request: RunRequest
}

/** Accepts the run in a request's body on the thread that its path or body names, or on a thread of its own. */
export async function accept(ports: Ports, c: Context, face: Face): Promise<Accepted> {
  const text = await bodyText(c)
  const onThread = c.req.param('thread_id')
  const request = face.request(ports, text, onThread)
  refuseLargeInput(request, text.length, ports.limits)
  const asked = { ...toCreate(ports, c, face, request), ...repeatable(c, text, face.name) }
  const run = await create(ports, await permittedRun(ports, c, asked))
  c.header('content-location', `${face.base}${face.runPath(run, onThread !== undefined)}`)
  return { run, request }
}

/** Accepts several runs, each on a thread of its own: all of them, or none. */
export async function acceptBatch(ports: Ports, c: Context, face: Face): Promise<Run[]> {
  const text = await bodyText(c)
  const requests = parseBody(text, protocol.batchRuns)
  for (const request of requests) {
    refuseLargeInput(request, text.length, ports.limits)
    ports.webhooks.check(request.webhook)
  }
  const { idempotency } = repeatable(c, text, face.name)
  const asked = await Promise.all(
    requests.map((request, n) => {
      // Each run has a key of its own; with the first's, a key is used once for a batch or a single run.
      const keys = n === 0 ? face.name : `${face.name}.${n}`
      const own = idempotency && { idempotency: { ...idempotency, face: keys } }
      return permittedRun(ports, c, { ...toCreate(ports, c, face, request), ...own })
    }),
  )
  const { runs } = await ports.gate.admit(queue => ports.db.run(createRuns, { runs: asked, queue }), asked.length)
  ports.bus.publish('work')
  return runs
}

/** What recognises a repeat of this request, where it has an Idempotency-Key; `face` is whose keys they are. */
function repeatable(c: Context, text: string, face: string): Pick<CreateRun, 'idempotency'> {
  const key = c.req.header('idempotency-key')
  if (!key) return {}
  const body_hash = createHash('sha256').update(`${c.req.path}\n${text}`).digest('hex')
  return { idempotency: { face, owner: userOf(c)?.identity ?? '', key, body_hash } }
}

async function create(ports: Ports, args: CreateRun): Promise<Run> {
  ports.webhooks.check(args.kwargs.webhook)
  return acceptRun(ports, args)
}

function toCreate({ ttl, pickHeaders }: Ports, c: Context, face: Face, request: RunRequest): CreateRun {
  const thread_id = c.req.param('thread_id') ?? request.thread_id
  const { recursion_limit, follow_up_to_run_id } = request
  const if_not_exists = whenUnknown(request, thread_id)
  if (thread_id !== undefined && if_not_exists !== 'reject') parse(face.thread_id, thread_id, 'thread_id')
  return {
    run_id: newId(),
    thread_id: thread_id ?? newId(),
    assistant_id: request.assistant_id,
    if_not_exists,
    kwargs: kwargsOf(request),
    metadata: request.metadata ?? {},
    multitask_strategy: request.multitask_strategy ?? 'enqueue',
    after_ms: Math.round((request.after_seconds ?? 0) * 1000),
    headers: pickHeaders(c.req.raw.headers),
    ...(ttl && { ttl }),
    ...(recursion_limit !== undefined && { recursion_limit }),
    ...(follow_up_to_run_id !== undefined && { follow_up_to_run_id }),
  }
}

/** A thread that the call makes goes after its run if the call says so, or names no thread and says nothing. */
function whenUnknown(request: RunRequest, thread_id: string | undefined): CreateRun['if_not_exists'] {
  const { on_completion, if_not_exists } = request
  if (thread_id !== undefined && if_not_exists !== 'create') return 'reject'
  const said = on_completion === 'delete' || on_completion === 'complete'
  return said || (thread_id === undefined && on_completion == null) ? 'temporary' : 'create'
}

/** What the executor needs of a request: the options that were given, `input` always. */
function kwargsOf(request: protocol.CreateRun): CreateRun['kwargs'] {
  const { input, command, config, context, checkpoint, checkpoint_id, checkpoint_during, durability } = request
  const { interrupt_before, interrupt_after, stream_mode, stream_subgraphs, webhook, feedback_keys } = request
  const { strict_resume, on_pending_interrupt } = request
  const during = checkpoint_during == null ? undefined : checkpoint_during ? 'async' : 'exit'
  const options = {
    command,
    config: config && given(config),
    context,
    checkpoint,
    checkpoint_id,
    interrupt_before,
    interrupt_after,
    durability: durability ?? during,
    stream_mode: stream_mode ?? ['values'],
    stream_subgraphs,
    feedback_keys,
    webhook,
    strict_resume,
    on_pending_interrupt,
  }
  return { input: input ?? null, ...(given(options) as { config?: RunConfig; context?: Record<string, unknown> }) }
}

/** Without the fields that are null or undefined. */
function given(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value != null))
}
