// Which folder on disk a thread's files are in. The row is written before the folder is made, and stays without its thread
// when that goes, whichever way, until the folder is removed: a crash leaves nothing behind. A name is never used again, so
// that a new thread with the id of an old one never finds the old one's files.
import sql from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { lockThread } from './threads.ts'

/** Undefined where the thread has none. */
export const findFolder = transition(
  import.meta.url,
  'findFolder',
  function* ({ thread_id }: { thread_id: string }): Steps<string | undefined> {
    const row = yield* first<{ folder: string }>(sql`
      select folder from thread_folders where thread_id = ${thread_id}`)
    return row?.folder
  },
)

/** The folder of a thread, `folder` if it has none yet. A thread that there is not is `not_found`. */
export const claimFolder = transition(
  import.meta.url,
  'claimFolder',
  function* ({ thread_id, folder }: { thread_id: string; folder: string }): Steps<string> {
    const known = yield* findFolder.steps({ thread_id })
    if (known !== undefined) return known
    yield* lockThread(thread_id)
    yield sql`
      insert into thread_folders (folder, thread_id) values (${folder}, ${thread_id})
      on conflict (thread_id) do nothing`
    return (yield* findFolder.steps({ thread_id })) as string
  },
)

/** Folders whose thread is gone. */
export const abandonedFolders = transition(import.meta.url, 'abandonedFolders', function* (limit: number): Steps<
  string[]
> {
  const rows = yield* all<{ folder: string }>(sql`
      select folder from thread_folders where thread_id is null order by folder limit ${limit}`)
  return rows.map(row => row.folder)
})

/** It has been removed. */
export const forgetFolder = transition(import.meta.url, 'forgetFolder', function* (folder: string): Steps<void> {
  yield sql`delete from thread_folders where folder = ${folder} and thread_id is null`
})
