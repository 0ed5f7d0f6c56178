// Sequences of commands, drawn from a seed, played on the model and on the real thing side by side, and shrunk when the
// two part. Commands name threads, runs and holds by number among those there have been, so that any command means
// something in any sequence: leaving some out is all that shrinking has to do.
import { isDeepStrictEqual } from 'node:util'
import type { MultitaskStrategy } from '../../src/core/runs.ts'
import type { Random } from '../simulation/random.ts'
import { type Hold, type How, Model, Refused, type Subject } from './model.ts'

export type Command =
  | { do: 'create'; thread: number; strategy: MultitaskStrategy; delayed: boolean; start: boolean; known: boolean }
  | { do: 'cancel'; run: number; action: 'interrupt' | 'rollback' }
  | { do: 'deleteRun'; run: number }
  | { do: 'deleteThread' | 'copy' | 'update' | 'ripen' | 'orphan'; thread: number }
  | { do: 'claim' }
  | { do: 'append' | 'handBack'; hold: number }
  | { do: 'finish'; hold: number; how: How; next: boolean }

export function draw(random: Random, length: number): Command[] {
  const weights = random.skewed({
    cancel: 4,
    deleteRun: 2,
    deleteThread: 0.5,
    copy: 1,
    update: 2,
    ripen: 1,
    orphan: 2,
    append: 5,
    handBack: 2,
  })
  const all = { create: 10, claim: 5, finish: 5, ...weights }
  return Array.from({ length }, () => command(random, random.weighted(all)))
}

function command(random: Random, name: Command['do']): Command {
  const [thread, run, hold] = [random.between(0, 2), random.between(0, 4), random.between(0, 2)]
  switch (name) {
    case 'create': {
      const strategy = random.weighted({ enqueue: 5, interrupt: 2, rollback: 2, reject: 1 })
      const [delayed, start, known] = [random.chance(0.2), random.chance(0.5), random.chance(0.2)]
      return { do: name, thread, strategy, delayed, start, known }
    }
    case 'cancel':
      return { do: name, run, action: random.pick(['interrupt', 'rollback']) }
    case 'deleteRun':
      return { do: name, run }
    case 'claim':
      return { do: name }
    case 'append':
    case 'handBack':
      return { do: name, hold }
    case 'finish':
      return { do: name, hold, how: random.pick(['success', 'success', 'question', 'error']), next: random.chance(0.5) }
    default:
      return { do: name, thread }
  }
}

/** What there has been so far, newest first for runs and holds, so that numbers find what is alive. */
interface Names {
  threads: string[]
  runs: { run_id: string; thread_id: string }[]
  holds: Hold[]
  /** How often each run was claimed. */
  claims: Map<string, number>
  count: number
}

/** How model and system part; undefined when they agree to the end. */
export async function difference(commands: readonly Command[], system: Subject): Promise<string | undefined> {
  const model = new Model()
  const names: Names = { threads: ['t1', 't2'], runs: [], holds: [], claims: new Map(), count: 0 }
  for (const [index, command] of commands.entries()) {
    const action = resolve(command, names)
    if (!action) continue
    const [expected, found] = [await answer(action, model), await answer(action, system)]
    const [should, is] = [await model.view(), await system.view()]
    if (expected !== found) return `step ${index + 1}: the model says "${expected}", the system "${found}"`
    if (!isDeepStrictEqual(is, should)) {
      return `after step ${index + 1}:\n  model  ${JSON.stringify(should)}\n  system ${JSON.stringify(is)}`
    }
    remember(command, expected, names)
  }
  return undefined
}

async function answer(action: (subject: Subject) => Promise<string>, subject: Subject): Promise<string> {
  try {
    return await action(subject)
  } catch (error) {
    if (error instanceof Refused) return error.message
    throw error
  }
}

/** A command on what its numbers name; undefined where there is nothing yet. */
function resolve(command: Command, names: Names): ((subject: Subject) => Promise<string>) | undefined {
  names.count++
  const thread_id = 'thread' in command ? at(names.threads, command.thread) : undefined
  const run = 'run' in command ? at(names.runs, command.run) : undefined
  const hold = 'hold' in command ? at(names.holds, command.hold) : undefined
  const values = `values ${names.count}`
  switch (command.do) {
    case 'create': {
      if (!thread_id) return undefined
      const run_id = `r${names.count}`
      names.runs.unshift({ run_id, thread_id })
      const { strategy, delayed, start, known } = command
      const if_not_exists = known ? 'reject' : 'create'
      return subject => subject.create({ run_id, thread_id, strategy, delayed, start, if_not_exists })
    }
    case 'cancel':
      return run && (subject => subject.cancel(run.run_id, command.action))
    case 'deleteRun':
      return run && (subject => subject.deleteRun(run.run_id))
    case 'claim':
      return subject => subject.claim()
    case 'append':
      return hold && (subject => subject.append(hold, values))
    case 'handBack':
      return hold && (subject => subject.handBack(hold))
    case 'finish':
      return hold && (subject => subject.finish(hold, command.how, command.next))
    case 'copy': {
      const copy_id = `t${names.threads.length + 1}`
      return thread_id ? subject => subject.copy(thread_id, copy_id) : undefined
    }
    case 'update':
      return thread_id ? subject => subject.update(thread_id, values) : undefined
    default: {
      const name = command.do
      return thread_id ? subject => subject[name](thread_id) : undefined
    }
  }
}

function at<T>(items: readonly T[], index: number): T | undefined {
  return items[index % Math.max(items.length, 1)]
}

/** Keeps what an answer made: a copy, and the holds of a worker. One that has ended or given back is not used again. */
function remember(command: Command, said: string, names: Names) {
  if (command.do === 'copy' && said !== 'not_found') names.threads.push(`t${names.threads.length + 1}`)
  const last = 'hold' in command ? at(names.holds, command.hold) : undefined
  if ((command.do === 'finish' || command.do === 'handBack') && said !== 'fenced') {
    names.holds = names.holds.filter(hold => hold !== last)
  }
  const started = command.do === 'claim' ? said.split(' ') : command.do === 'finish' ? [said.split(' ')[1] ?? ''] : []
  if (command.do === 'create' && said === 'running') started.push(names.runs[0]?.run_id ?? '')
  for (const run_id of started) {
    const run = names.runs.find(one => one.run_id === run_id)
    if (!run) continue
    const claim = (names.claims.get(run_id) ?? 0) + 1
    names.claims.set(run_id, claim)
    names.holds.unshift({ ...run, claim })
  }
}

/** The shortest sequence that still makes them part, by leaving out ever smaller pieces. */
export async function shrink(
  commands: Command[],
  parts: (commands: Command[]) => Promise<boolean>,
): Promise<Command[]> {
  let left = commands
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < left.length; ) {
      const shorter = left.toSpliced(from, size)
      if (await parts(shorter)) left = shorter
      else from += size
    }
  }
  return left
}
