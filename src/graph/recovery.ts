// How a later attempt of a run goes on, so that nothing is asked, answered or shown twice.
//
//   stored by this run so far            what the next attempt sends
//   nothing                              the original input or Command, from where the run was to start
//   a root checkpoint                    null from the newest checkpoint: the input is in it
//   answers (`__resume__`) at the head   null: they are found there. Answers to named interrupts are not: the Command
//                                        again, without those that a task has taken
//
// Null has two traps. A resume that was taken stays stored, and null would give it to the task's next question: it is
// deleted first (spentResumes). That holds for a first attempt as well, where an earlier run left one. And null passes
// the breakpoint at which it starts: where the run itself stored that checkpoint it had to stop there, so it does. Inside
// subgraphs a breakpoint of their own is not noticed this way.
import type { ClaimedRun, Ending } from '../core/executor.ts'
import type { Bulk, Database } from '../db/database.ts'
import {
  fromHead,
  langgraphCommand,
  type RunCommand,
  type RunConfig,
  type RunRequest,
  resumeMap,
} from './executor-config.ts'
import type { CompiledGraph } from './load.ts'
import { checkAnswers, pastQuestions } from './questions.ts'
import type { Recording } from './recording.ts'
import { Replay } from './recording-replay.ts'
import {
  answeredInterrupts,
  commandWrites,
  type Head,
  hasResumed,
  hasTaskWrites,
  openInterrupts,
  type PendingRow,
  type Progress,
  readProgress,
  readSuperstep,
  replacedWrites,
  spentResumes,
} from './recovery-rows.ts'

export interface Start {
  input: unknown
  config: RunConfig
  /** Set when the run has nothing left to do: it had come to a breakpoint. */
  ending?: Ending
}

type Asked = Pick<RunRequest, 'input' | 'command'>

interface Attempt {
  db: Database
  graph: CompiledGraph
  claimed: ClaimedRun
  request: RunRequest
  config: RunConfig
  recording: Recording
}

/** Decides how an attempt starts. Removes answers that are spent, and in a later attempt lets the recording skip repetitions. */
export async function startOf(attempt: Attempt): Promise<Start> {
  const { db, claimed, request, config, recording } = attempt
  const { run_id } = claimed.run
  const later = claimed.attempt > 1
  if (isInput(request) && !later && claimed.interrupts === '{}') return { input: request.input, config }
  const newest = await readAt(attempt, undefined)
  if (later) {
    const replay = new Replay(await db.run(readSuperstep, run_id))
    recording.skip(replay)
    if (newest.head?.run_id === run_id) return goOn(attempt, newest, replay)
  }
  const start = config.configurable.checkpoint_id as string | undefined
  const isAtHead = start === undefined || start === newest.head?.checkpoint_id
  const asked: Asked = isAtHead ? pastQuestions(request, claimed) : request
  const { input = null, command } = asked
  if (isInput(asked)) {
    if (later) await recordValues(attempt)
    return { input, config }
  }
  const progress = start === undefined ? newest : await readAt(attempt, start)
  if (request.strict_resume && !hasResumed(progress, run_id))
    checkAnswers(claimed, command?.resume, openInterrupts(progress))
  const spent = spentResumes(progress)
  await remove(attempt, spent)
  if (!command) return { input, config }
  const resume = answers(command, progress)
  const original = { input: langgraphCommand({ ...command, resume }), config }
  if (!later || !hasResumed(progress, run_id)) return original
  await remove(attempt, replacedWrites(progress, run_id))
  const named = resumeMap(resume)
  if (named) return { input: withoutAnswered(command, named, progress, run_id), config }
  if (progress.head?.checkpoint_id === newest.head?.checkpoint_id) return { input: null, config: fromHead(config) }
  // A resume of a past checkpoint: null would start it over, which is right only if the answer is spent.
  return spent.length > 0 ? { input: null, config } : original
}

function isInput({ input, command }: Asked): boolean {
  return !command && input !== null && input !== undefined
}

/** A Command's resume. LangGraph takes false, 0 and '' for no answer, unless they are given to interrupts by name. */
function answers({ resume }: RunCommand, progress: Progress): unknown {
  if (resume || resume === null || resume === undefined) return resume
  const open = openInterrupts(progress)
  return open.length > 0 ? Object.fromEntries(open.map(id => [id, resume])) : resume
}

/** The Command with the answers that are still to be given, or null. */
function withoutAnswered(
  command: RunCommand,
  named: Record<string, unknown>,
  progress: Progress,
  run_id: string,
): unknown {
  const answered = answeredInterrupts(progress, run_id)
  const open = Object.entries(named).filter(([id]) => !answered.has(id))
  return open.length > 0 ? langgraphCommand({ ...command, resume: Object.fromEntries(open) }) : null
}

/** From a checkpoint that this run stored. */
async function goOn(attempt: Attempt, progress: Progress, replay: Replay): Promise<Start> {
  const { recording } = attempt
  if (attempt.config.durability === 'exit') replay.allIsLogged()
  await remove(attempt, [...spentResumes(progress), ...commandWrites(progress)])
  const start = { input: null, config: fromHead(attempt.config) }
  const stop = await breakpointAt(attempt, progress, replay)
  if (!stop) return start
  const { values, config, parentConfig, metadata, next, tasks } = stop.snapshot
  recording.add({ namespace: [], mode: 'values', payload: values })
  const checkpoint = { config, values, metadata, next, tasks, parentConfig }
  if (stop.before) recording.add({ namespace: [], mode: 'checkpoints', payload: checkpoint })
  for (const mode of ['updates', 'values']) recording.add({ namespace: [], mode, payload: { __interrupt__: [] } })
  return { ...start, ending: { interrupts: {}, has_next: next.length > 0 } }
}

/** The state at a breakpoint that LangGraph would have stopped at when it stored this head. */
async function breakpointAt({ graph, config }: Attempt, progress: Progress, replay: Replay) {
  const head = progress.head as Head
  const before = config.interruptBefore ?? graph.interruptBefore ?? []
  const after = config.interruptAfter ?? graph.interruptAfter ?? []
  if (before.length + after.length === 0 || hasTaskWrites(progress) || !hasUnseen(head)) return undefined
  const snapshot = await graph.getState({ configurable: fromHead(config).configurable })
  const isStep = (JSON.parse(head.metadata) as { source?: string }).source === 'loop'
  // LangGraph looks at the nodes that finished before it emits the checkpoint.
  const finished = isStep && !replay.has(head.checkpoint_id) ? [...replay.finished] : []
  if (finished.some(node => isListed(after, node))) return { snapshot, before: false }
  return snapshot.next.some(node => isListed(before, node)) ? { snapshot, before: true } : undefined
}

function isListed(nodes: '*' | readonly PropertyKey[], node: string): boolean {
  return nodes === '*' ? node !== '__start__' : nodes.includes(node)
}

/** Whether a channel changed since the run was last let past a breakpoint. */
function hasUnseen({ checkpoint }: Head): boolean {
  const { channel_versions, versions_seen } = JSON.parse(checkpoint) as Versions
  const seen = versions_seen.__interrupt__ ?? {}
  return Object.entries(channel_versions).some(([channel, version]) => version > (seen[channel] ?? 0))
}

interface Versions {
  channel_versions: Record<string, number>
  versions_seen: Record<string, Record<string, number>>
}

/** The state before the run, which replaces what an attempt that stored nothing may have shown. */
async function recordValues({ claimed, graph, config, recording }: Attempt) {
  const shown = claimed.last_seq > claimed.attempt // more than each attempt's `metadata`
  const snapshot = shown && (await graph.getState({ configurable: config.configurable }))
  if (snapshot && snapshot.createdAt !== undefined) {
    recording.add({ namespace: [], mode: 'values', payload: snapshot.values })
  }
}

function readAt({ db, claimed }: Attempt, checkpoint_id: string | undefined): Promise<Progress> {
  const { thread_id, run_id } = claimed.run
  return db.run(readProgress, { thread_id, run_id, checkpoint_id })
}

const COLUMNS = ['thread_id', 'checkpoint_ns', 'checkpoint_id', 'task_id', 'run_id', 'channel'] as const

/** Removes rows through the run's own log, and so under its fence. */
async function remove({ claimed, recording }: Attempt, rows: readonly PendingRow[]) {
  if (rows.length === 0) return
  const { thread_id } = claimed.run
  const bulk: Bulk = {
    each: `delete from checkpoint_writes where ${COLUMNS.map(column => `${column} = ?`).join(' and ')}`,
    all: `delete from checkpoint_writes where (${COLUMNS.join(', ')}) in (
      select * from unnest(${COLUMNS.map((_, index) => `$${index + 1}::text[]`).join(', ')}))`,
    columns: COLUMNS,
    rows: rows.map(({ exact: _, ...row }) => ({ thread_id, ...row })),
  }
  void recording.write([bulk])
  await recording.flush()
}
