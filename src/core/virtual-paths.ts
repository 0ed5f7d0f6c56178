// The names of a thread's files: `/mnt/user-data/{uploads,workspace,outputs}/…` to the agent, a folder on disk to the
// server, an artifact URL to browsers. Paths are compared by segment, so that `/mnt/user-data-more` is not below the root.
import { RunloomError } from './errors.ts'

const ROOT = ['mnt', 'user-data']

export const AREAS = ['uploads', 'workspace', 'outputs'] as const

const MOST_BYTES = 255
const MOST_SEGMENTS = 32

/**
 * The segments below the root, `['uploads', 'a.txt']`; none for the root itself. A leading slash may be missing. Throws
 * `forbidden` for a path that would lead out, `malformed` for any other that names no file of a thread.
 */
export function segmentsOf(path: string): string[] {
  const segments = path.split('/').filter(segment => segment !== '' && segment !== '.')
  if (segments.includes('..')) throw new RunloomError('forbidden', `path: "${shown(path)}" leads out of its folder`)
  const [area, ...rest] = segments.slice(ROOT.length)
  const known = area === undefined || (AREAS as readonly string[]).includes(area)
  if (!ROOT.every((name, n) => segments[n] === name) || !known) {
    const allowed = AREAS.map(name => virtualPath([name])).join(', ')
    throw new RunloomError('malformed', `path: "${shown(path)}" must be below one of ${allowed}`)
  }
  if (rest.length > MOST_SEGMENTS) throw new RunloomError('malformed', `path: more than ${MOST_SEGMENTS} folders deep`)
  for (const segment of rest) checkName(segment, 'path')
  return area === undefined ? [] : [area, ...rest]
}

/** Throws `malformed` for what is no name of a file: `what` begins the message. */
export function checkName(name: string, what: string): void {
  const problem = problemOf(name)
  if (problem) throw new RunloomError('malformed', `${what}: "${shown(name)}" ${problem}`)
}

function problemOf(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'is not the name of a file'
  if (/[/\\]/.test(name)) return 'must have no slash or backslash'
  if (/\p{Cc}/u.test(name)) return 'must have no control characters'
  if (!name.isWellFormed()) return 'is not Unicode text'
  return Buffer.byteLength(name) > MOST_BYTES ? `must be at most ${MOST_BYTES} bytes long` : undefined
}

/** `report.pdf` as `report_1.pdf`, within the length that a name may have; 0 leaves it as it is. */
export function numbered(name: string, number: number): string {
  if (number === 0) return name
  const { stem, extension } = split(name)
  return joined(stem, `_${number}${extension}`)
}

/** `report.pdf` as `report.md`. */
export function markdownName(name: string): string {
  return joined(split(name).stem, '.md')
}

/** In lower case, without the dot. */
export function extensionOf(name: string): string {
  return split(name).extension.slice(1).toLowerCase()
}

export function virtualPath(segments: readonly string[]): string {
  return `/${[...ROOT, ...segments].join('/')}`
}

/** Below the server's address. */
export function artifactUrl(thread_id: string, segments: readonly string[]): string {
  return `/api/threads/${thread_id}/artifacts/${[...ROOT, ...segments].map(encodeURIComponent).join('/')}`
}

function split(name: string): { stem: string; extension: string } {
  const [, stem = name, extension = ''] = /^(.+?)(\.[^.\s]{1,16})?$/su.exec(name) ?? []
  return { stem, extension }
}

/** Takes characters from the end of the stem until the name is short enough. */
function joined(stem: string, ending: string): string {
  const characters = [...stem]
  while (Buffer.byteLength(characters.join('') + ending) > MOST_BYTES) characters.pop()
  return characters.join('') + ending
}

function shown(text: string): string {
  const printable = text.toWellFormed().replaceAll(/\p{Cc}/gu, '\uFFFD')
  return printable.length > 100 ? `${printable.slice(0, 100)}…` : printable
}
