// The thread that owns the SQLite connection. It receives batches of named transitions, finds each by importing its
// module, runs them in one transaction and answers with their outcomes.
import { parentPort, workerData } from 'node:worker_threads'
import type { Steps, Transition } from './database.ts'
import { SqliteConnection } from './sqlite-connection.ts'

export interface Job {
  module: string
  name: string
  args: unknown
}

const { path, sync, vectors } = workerData
const connection = new SqliteConnection(path, { sync, vectors })
const modules = new Map<string, Record<string, Transition<unknown, unknown>>>()
const port = parentPort as NonNullable<typeof parentPort>

port.on('message', async (jobs: Job[] | 'close') => {
  if (jobs === 'close') {
    connection.close()
    port.close()
    return
  }
  try {
    for (const { module } of jobs) if (!modules.has(module)) modules.set(module, await import(module))
    const outcomes = connection.batch(jobs.map(job => () => steps(job)))
    port.postMessage(outcomes.map(outcome => ('error' in outcome ? { error: plain(outcome.error) } : outcome)))
  } catch (error) {
    const failure = { error: plain(error) }
    port.postMessage(jobs.map(() => failure))
  }
})

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
