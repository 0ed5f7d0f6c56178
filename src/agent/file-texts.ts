// Text files of a thread as the agent's tools read, change and search them. What the user has uploaded is not changed.
import { RunloomError } from '../core/errors.ts'
import type { StoredFile, ThreadFiles } from '../core/thread-files.ts'
import { AREAS, virtualPath } from '../core/virtual-paths.ts'

const MOST_BYTES = 10 * 1024 * 1024
const MOST_MATCHES = 100
const MOST_MATCH_CHARS = 300
/** Files that one search looks at. */
const MOST_SEARCHED = 1_000

/** All files below a folder, by path; as many as wanted. */
export async function allFiles(
  files: ThreadFiles,
  thread_id: string,
  folder: string[],
  most: number,
): Promise<StoredFile[]> {
  const found: StoredFile[] = []
  const folders = folder.length === 0 ? AREAS.map(area => [area]) : [folder]
  for (let next = folders.shift(); next && found.length < most; next = folders.shift()) {
    const below: string[][] = []
    for (const { name, kind, size, modified_ms } of await files.list(thread_id, next)) {
      const segments = [...next, name]
      if (kind === 'folder') below.push(segments)
      else if (found.length < most) found.push({ segments, size, modified_ms })
    }
    folders.unshift(...below)
  }
  return found
}

/** Rejects with `malformed` for what is no text, `too_large` above 10 MiB. */
export async function readText(files: ThreadFiles, thread_id: string, segments: string[]): Promise<string> {
  const { handle, size } = await files.open(thread_id, segments)
  try {
    if (size > MOST_BYTES) {
      throw new RunloomError('too_large', `"${virtualPath(segments)}" is ${size} bytes; at most ${MOST_BYTES} are read`)
    }
    const bytes = await handle.readFile()
    if (!bytes.includes(0)) return bytes.toString('utf8')
    throw new RunloomError('malformed', `"${virtualPath(segments)}" is not a text file`)
  } finally {
    await handle.close()
  }
}

/** The bytes written. */
export async function writeText(
  files: ThreadFiles,
  thread_id: string,
  segments: string[],
  text: string,
): Promise<number> {
  refuseReadOnly(segments)
  const bytes = Buffer.from(text)
  if (bytes.length > MOST_BYTES) {
    throw new RunloomError('too_large', `content: ${bytes.length} bytes; at most ${MOST_BYTES} are written`)
  }
  const part = await files.stage([bytes])
  const outcome = await files.put(thread_id, segments, part, 'replace')
  if (outcome === 'linked') throw new RunloomError('forbidden', `"${virtualPath(segments)}" is a link`)
  return bytes.length
}

export interface TextEdit {
  old_text: string
  new_text: string
  replace_all: boolean
}

/** In how many places. */
export async function editText(
  files: ThreadFiles,
  thread_id: string,
  segments: string[],
  { old_text, new_text, replace_all }: TextEdit,
): Promise<number> {
  refuseReadOnly(segments)
  const pieces = (await readText(files, thread_id, segments)).split(old_text)
  const count = pieces.length - 1
  if (count === 0) throw new RunloomError('invalid', `old_text: it is not in "${virtualPath(segments)}"`)
  if (count > 1 && !replace_all) {
    throw new RunloomError('invalid', `old_text: it is there ${count} times; give more of it, or set replace_all`)
  }
  await writeText(files, thread_id, segments, pieces.join(new_text))
  return count
}

/** Lines as `path:number: text`. */
export async function searchTexts(
  files: ThreadFiles,
  thread_id: string,
  folder: string[],
  text: string,
): Promise<string[]> {
  const wanted = text.toLowerCase()
  const matches: string[] = []
  for (const { segments, size } of await allFiles(files, thread_id, folder, MOST_SEARCHED)) {
    if (size > MOST_BYTES) continue
    const content = await readText(files, thread_id, segments).catch(() => '')
    for (const [n, line] of content.split('\n').entries()) {
      if (!line.toLowerCase().includes(wanted)) continue
      matches.push(`${virtualPath(segments)}:${n + 1}: ${line.trim().slice(0, MOST_MATCH_CHARS)}`)
      if (matches.length === MOST_MATCHES) return [...matches, `(the first ${MOST_MATCHES} lines; there may be more)`]
    }
  }
  return matches
}

function refuseReadOnly([area, ...below]: string[]): void {
  if ((area === 'workspace' || area === 'outputs') && below.length > 0) return
  throw new RunloomError('forbidden', 'path: write a file below /mnt/user-data/workspace or /mnt/user-data/outputs')
}
