// The thread that owns the SQLite connection. It receives batches of named transitions, finds each by importing its
// module, runs them in one transaction and answers with their outcomes. Other threads get a door of their own.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Steps, Transition } from './database.ts'
import { SqliteConnection } from './sqlite-connection.ts'

export interface Job {
  module: string
  name: string
  args: unknown
}

const { path, sync, vectors } = workerData
/** Opened for the first who asks, who is told where that fails. */
let connection: SqliteConnection | undefined
const modules = new Map<string, Record<string, Transition<unknown, unknown>>>()
const doors: MessagePort[] = []

type Message = Job[] | { door: MessagePort } | 'close'

serve(parentPort as MessagePort, () => {
  connection?.close()
  for (const door of doors) door.close()
})

/** Answers the batches that come through a port until it is told to close. */
function serve(port: MessagePort, onClose?: () => void) {
  port.on('message', async (message: Message) => {
    if (message === 'close') {
      onClose?.()
      port.close()
    } else if ('door' in message) {
      doors.push(message.door)
      serve(message.door)
    } else port.postMessage(await outcomesOf(message))
  })
}

async function outcomesOf(jobs: Job[]) {
  try {
    for (const { module } of jobs) if (!modules.has(module)) modules.set(module, await import(module))
    connection ??= new SqliteConnection(path, { sync, vectors })
    const outcomes = connection.batch(jobs.map(job => () => steps(job)))
    return outcomes.map(outcome => ('error' in outcome ? { error: plain(outcome.error) } : outcome))
  } catch (error) {
    const failure = { error: plain(error) }
    return jobs.map(() => failure)
  }
}

function steps({ module, name, args }: Job): Steps<unknown> {
  const found = modules.get(module)?.[name]
  if (!found) throw new Error(`${module} exports no transition "${name}"`)
  return found.steps(args)
}

/** An error as data: structured cloning alone would lose its own fields (`code`, `details`). */
function plain(error: unknown) {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  return { ...error, name: error.name, message: error.message, stack: error.stack, cause: undefined }
}
