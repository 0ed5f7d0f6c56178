// Installing a skill from a `.skill` archive, a zip with SKILL.md at its top or in its one folder (contracts: gateway §3.7).
// It is a stranger's: nothing is written outside of a hidden folder beside the others, which takes its name when it is
// whole and found good, or goes.
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import yauzl from 'yauzl'
import { RunloomError } from './errors.ts'
import { newId } from './ids.ts'
import { readHead } from './skill-files.ts'

/** Bytes of the archive. */
export const MAX_ARCHIVE_BYTES = 20 * 1024 * 1024
const MAX_UNPACKED_BYTES = 100 * 1024 * 1024
const MAX_ENTRIES = 2_000
const HIDDEN = '.installing-'
/** What an installation that died has left is removed after this. */
const ABANDONED_MS = 3_600_000

/** Unpacks a skill into a folder of its name, below `skills`. Resolves with the name. */
export async function unpackSkill(archive: Buffer, skills: string): Promise<string> {
  if (archive.length > MAX_ARCHIVE_BYTES) throw refusal(`it is larger than ${MAX_ARCHIVE_BYTES} bytes`)
  await mkdir(skills, { recursive: true })
  await removeAbandoned(skills)
  const hidden = join(skills, `${HIDDEN}${newId()}`)
  try {
    await mkdir(hidden)
    await unpack(archive, hidden)
    const folder = await topOf(hidden)
    const { name } = await readHead(folder).catch(error => {
      throw refusal((error as Error).message)
    })
    const taken = new RunloomError('conflict', `Skill '${name}' exists already`)
    if (await stat(join(skills, name)).catch(() => undefined)) throw taken
    await rename(folder, join(skills, name)).catch(error => {
      throw ['ENOTEMPTY', 'EEXIST'].includes(error.code) ? taken : error
    })
    return name
  } finally {
    await rm(hidden, { recursive: true, force: true })
  }
}

async function unpack(archive: Buffer, folder: string): Promise<void> {
  const zip = await yauzl.fromBufferPromise(archive, { lazyEntries: true, strictFileNames: true }).catch(unreadable)
  if (zip.entryCount > MAX_ENTRIES) throw refusal(`it has more than ${MAX_ENTRIES} entries`)
  let left = MAX_UNPACKED_BYTES
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/') || !isPlainFile(entry)) continue
      const file = join(folder, entry.fileName)
      await mkdir(dirname(file), { recursive: true })
      const counted = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          left -= chunk.length
          done(left < 0 ? refusal(`it unpacks to more than ${MAX_UNPACKED_BYTES} bytes`) : null, chunk)
        },
      })
      await pipeline(await zip.openReadStreamPromise(entry), counted, createWriteStream(file, { flags: 'wx' }))
    }
  } catch (error) {
    unreadable(error)
  } finally {
    zip.close()
  }
}

/** Links and devices are skipped. An archive that was not made on a Unix has no types of files. */
function isPlainFile({ externalFileAttributes }: yauzl.Entry): boolean {
  const type = (externalFileAttributes >>> 16) & 0o170000
  return type === 0 || type === 0o100000
}

/** The folder that has SKILL.md: the archive's top, or the one folder there. */
async function topOf(folder: string): Promise<string> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !/^(\.|__MACOSX$)/.test(name))
  if (entries.length === 0) throw refusal('it is empty')
  const [only] = entries
  return entries.length === 1 && only?.isDirectory() ? join(folder, only.name) : folder
}

async function removeAbandoned(skills: string): Promise<void> {
  const names = (await readdir(skills)).filter(name => name.startsWith(HIDDEN))
  for (const path of names.map(name => join(skills, name))) {
    const begun = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()
    if (Date.now() - begun > ABANDONED_MS) await rm(path, { recursive: true, force: true })
  }
}

/** Names that cannot be, or are there twice, are the archive's fault; a full disk is not. */
const ITS_FAULT = /^(Z_|ERR_|EEXIST|ENOTDIR|EISDIR|ENAMETOOLONG)/

function unreadable(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof RunloomError || (code !== undefined && !ITS_FAULT.test(code))) throw error
  throw refusal(message)
}

function refusal(reason: string): RunloomError {
  return new RunloomError('malformed', `The archive is not taken: ${reason}`)
}
