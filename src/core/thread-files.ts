// The files of threads on disk: `<data>/threads/<folder>/user-data/{uploads,workspace,outputs}`. No symbolic link is ever
// followed below that folder. A file is written beside, flushed, and then put in its place: nobody sees half of one.
import { constants, type Stats } from 'node:fs'
import { cp, type FileHandle, link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Database } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { newId } from './ids.ts'
import type { Logger } from './logger.ts'
import { abandonedFolders, claimFolder, findFolder, forgetFolder } from './thread-folders.ts'
import { Ticker } from './ticker.ts'
import { virtualPath } from './virtual-paths.ts'

const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0, COPYFILE_FICLONE } = constants

const SWEEP_MS = 60_000
const SWEEP_FOLDERS = 100
/** Parts that nobody has written to for so long were left by a crash. */
const PART_LIFETIME_MS = 24 * 60 * 60 * 1000

export interface StoredFile {
  /** Below the thread's root, `['uploads', 'a.txt']`. */
  segments: string[]
  size: number
  modified_ms: number
}

export interface OpenFile extends StoredFile {
  /** The caller closes it. */
  handle: FileHandle
}

export interface Entry {
  name: string
  kind: 'file' | 'folder'
  size: number
  modified_ms: number
}

/** Content that is on disk but nowhere yet. */
export interface Part {
  path: string
  size: number
}

export class ThreadFiles {
  readonly #db: Database
  readonly #folder: string
  readonly #sweeping: Ticker

  /** `folder` is that of the server's data; it is made with the first file. */
  constructor({ db, folder, logger }: { db: Database; folder: string; logger: Logger }) {
    this.#db = db
    this.#folder = join(folder, 'threads')
    const options = { failure: 'removing files of deleted threads failed', poll_ms: SWEEP_MS, logger }
    this.#sweeping = new Ticker(() => this.#sweep(), options)
  }

  /** Begins to remove the folders of threads that are gone. */
  start(): void {
    this.#sweeping.start()
  }

  /** A thread has been deleted. */
  wake(): void {
    this.#sweeping.wake()
  }

  async close(): Promise<void> {
    await this.#sweeping.close()
  }

  /** Rejects with `not_found`; with `malformed` for a folder, `forbidden` where a link is in the way. */
  async open(thread_id: string, segments: string[]): Promise<OpenFile> {
    const { path, stats } = await this.#existing(thread_id, segments)
    if (stats.isDirectory()) throw new RunloomError('malformed', `"${virtualPath(segments)}" is a folder`)
    if (!stats.isFile()) throw notPlain(segments)
    const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(error => {
      throw ['ELOOP', 'ENOENT'].includes(codeOf(error)) ? notFound(segments) : error
    })
    const opened = await handle.stat()
    if (opened.ino === stats.ino && opened.dev === stats.dev) {
      return { segments, handle, size: opened.size, modified_ms: opened.mtimeMs }
    }
    await handle.close()
    throw notFound(segments)
  }

  /** What is in a folder, by name; nothing where it has not been made yet. */
  async list(thread_id: string, segments: string[]): Promise<Entry[]> {
    const found = await this.#find(thread_id, segments)
    if (!found?.stats) {
      if (segments.length > 1) throw notFound(segments)
      return []
    }
    if (!found.stats.isDirectory()) throw new RunloomError('malformed', `"${virtualPath(segments)}" is no folder`)
    const entries: Entry[] = []
    for (const name of (await readdir(found.path)).sort()) {
      const stats = await lstat(join(found.path, name)).catch(absent)
      const kind = stats?.isFile() ? 'file' : stats?.isDirectory() ? 'folder' : undefined
      if (stats && kind)
        entries.push({ name, kind, size: kind === 'file' ? stats.size : 0, modified_ms: stats.mtimeMs })
    }
    return entries
  }

  /** Writes content to the disk, in no thread yet. What fails leaves nothing. */
  async stage(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Part> {
    const path = join(this.#folder, '.parts', newId())
    await mkdir(dirname(path), { recursive: true })
    const handle = await open(path, 'wx')
    let size = 0
    try {
      for await (const chunk of content) {
        await handle.writeFile(chunk)
        size += chunk.byteLength
      }
      await handle.sync()
    } catch (error) {
      await handle.close()
      await this.discard({ path, size })
      throw error
    }
    await handle.close()
    return { path, size }
  }

  async discard(part: Part): Promise<void> {
    await rm(part.path, { force: true })
  }

  /**
   * Gives a part its place, and the thread its folder. What is there is replaced, or kept: `taken`. A link, symbolic or
   * hard, stays as it is: `linked`. Rejects with `not_found` without the thread. The part is gone in every case but `taken`.
   */
  async put(
    thread_id: string,
    segments: string[],
    part: Part,
    if_exists: 'replace' | 'keep',
  ): Promise<'put' | 'taken' | 'linked'> {
    let outcome: 'put' | 'taken' | 'linked' | undefined
    try {
      const folder = await this.#db.run(claimFolder, { thread_id, folder: folderName(thread_id) })
      const { path, stats } = await this.#walk(folder, segments, 'last may be a link')
      if (stats?.isDirectory()) throw new RunloomError('malformed', `"${virtualPath(segments)}" is a folder`)
      if (stats && (!stats.isFile() || (await this.#isHardLink(path, stats)))) outcome = 'linked'
      else if (stats && if_exists === 'keep') outcome = 'taken'
      else outcome = await place(part, path, if_exists)
      await this.#refuseOrphan(thread_id, folder)
      return outcome
    } finally {
      if (outcome !== 'taken') await this.discard(part)
    }
  }

  async remove(thread_id: string, segments: string[]): Promise<void> {
    const { path, stats } = await this.#existing(thread_id, segments)
    if (!stats.isFile()) throw notPlain(segments)
    await rm(path, { force: true })
  }

  /** Gives a thread copies of another's files. */
  async copy(from_id: string, to_id: string): Promise<void> {
    const source = await this.#db.run(findFolder, { thread_id: from_id })
    if (source === undefined || !(await lstat(join(this.#folder, source)).catch(absent))) return
    const folder = await this.#db.run(claimFolder, { thread_id: to_id, folder: folderName(to_id) })
    await cp(join(this.#folder, source), join(this.#folder, folder), {
      recursive: true,
      mode: COPYFILE_FICLONE,
      filter: async path => {
        const stats = await lstat(path)
        return stats.isFile() || stats.isDirectory()
      },
    })
    await this.#refuseOrphan(to_id, folder)
  }

  /** Where a file is on the host, below the folder of the server's data. */
  async hostPath(thread_id: string, segments: string[]): Promise<string> {
    const folder = await this.#db.run(findFolder, { thread_id })
    return ['threads', folder ?? thread_id, 'user-data', ...segments].join('/')
  }

  async #existing(thread_id: string, segments: string[]): Promise<{ path: string; stats: Stats }> {
    const found = await this.#find(thread_id, segments)
    if (!found?.stats) throw notFound(segments)
    return { path: found.path, stats: found.stats }
  }

  async #find(thread_id: string, segments: string[]) {
    const folder = await this.#db.run(findFolder, { thread_id })
    return folder === undefined ? undefined : this.#walk(folder, segments)
  }

  /** Where a file is, or would be. Looks at every step of the way, so that none is a link. */
  async #walk(folder: string, segments: string[], last: 'no links' | 'last may be a link' = 'no links') {
    const steps = [folder, 'user-data', ...segments]
    let path = this.#folder
    for (const [n, step] of steps.entries()) {
      const stats = await lstat(join(path, step)).catch(absent)
      if (!stats) return { path: join(path, ...steps.slice(n)), stats: undefined }
      path = join(path, step)
      const isLast = n === steps.length - 1
      if (isLast && (last === 'last may be a link' || !stats.isSymbolicLink())) return { path, stats }
      if (stats.isSymbolicLink()) throw new RunloomError('forbidden', `"${virtualPath(segments)}" leads over a link`)
      if (!stats.isDirectory()) throw notFound(segments)
    }
    throw notFound(segments)
  }

  /** Whether a file has another name, but for that of a part which is just being put there. */
  async #isHardLink(path: string, { nlink, ino, dev }: Stats): Promise<boolean> {
    if (nlink === 1) return false
    const folder = join(this.#folder, '.parts')
    for (const name of await readdir(folder)) {
      const part = await lstat(join(folder, name)).catch(absent)
      if (part?.ino === ino && part.dev === dev) return false
    }
    return ((await lstat(path).catch(absent))?.nlink ?? 1) > 1
  }

  /** A thread that was deleted while a file came to it takes the file with it. */
  async #refuseOrphan(thread_id: string, folder: string): Promise<void> {
    if ((await this.#db.run(findFolder, { thread_id })) === folder) return
    await rm(join(this.#folder, folder), { recursive: true, force: true })
    throw new RunloomError('not_found', `Thread ${thread_id} not found`)
  }

  async #sweep(): Promise<number | undefined> {
    const folders = await this.#db.run(abandonedFolders, SWEEP_FOLDERS)
    for (const folder of folders) {
      await rm(join(this.#folder, folder), { recursive: true, force: true })
      await this.#db.run(forgetFolder, folder)
    }
    const parts = join(this.#folder, '.parts')
    for (const name of (await readdir(parts).catch(absent)) ?? []) {
      const stats = await lstat(join(parts, name)).catch(absent)
      if (stats && Date.now() - stats.mtimeMs > PART_LIFETIME_MS) await rm(join(parts, name), { force: true })
    }
    return folders.length === SWEEP_FOLDERS ? 0 : undefined
  }
}

/** Its end is new each time; file systems that do not tell cases apart still tell two threads' folders apart. */
function folderName(thread_id: string): string {
  return `${thread_id}.${newId().slice(-12)}`
}

async function place({ path: part }: Part, path: string, if_exists: 'replace' | 'keep'): Promise<'put' | 'taken'> {
  await mkdir(dirname(path), { recursive: true })
  try {
    // Linking fails where the name was taken in the meantime; renaming would replace what is there.
    if (if_exists === 'replace') await rename(part, path)
    else await link(part, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'taken'
    throw error
  }
  await syncFolder(dirname(path))
  return 'put'
}

/** So that the name survives a power cut, where folders can be flushed. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, O_RDONLY).catch(() => undefined)
  try {
    await folder?.sync().catch(() => {})
  } finally {
    await folder?.close()
  }
}

function notFound(segments: string[]): RunloomError {
  return new RunloomError('not_found', `There is no file "${virtualPath(segments)}"`)
}

function notPlain(segments: string[]): RunloomError {
  return new RunloomError('malformed', `"${virtualPath(segments)}" is not a file`)
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? ''
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}
