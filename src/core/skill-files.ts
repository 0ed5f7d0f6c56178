// The files of a skill: its SKILL.md, which begins with front matter, and whatever lies beside it (contracts: gateway §2).
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { parse } from 'yaml'
import { skillHead } from '../protocol/skills.ts'
import { RunloomError } from './errors.ts'

const MAX_FILE_BYTES = 1024 * 1024
/** Files that a skill's reader is told of. */
const MAX_LISTED = 200

/** Reads what stands at the top of a folder's SKILL.md. Throws an Error that says what is wrong with it. */
export async function readHead(folder: string) {
  const text = await readText(join(folder, 'SKILL.md')).catch(error => {
    throw error.code === 'ENOENT' ? new Error('there is no SKILL.md') : error
  })
  const [, head] = /^\uFEFF?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)/s.exec(text) ?? []
  if (head === undefined)
    throw new Error('SKILL.md must begin with front matter: name and description between two lines of ---')
  let values: unknown
  try {
    values = parse(head)
  } catch (error) {
    throw new Error(`the front matter of SKILL.md is no YAML: ${(error as Error).message.split('\n')[0]}`)
  }
  const read = skillHead.safeParse(values)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new Error(`the front matter of SKILL.md: ${issue?.path.join('.') || 'all of it'}: ${issue?.message}`)
}

/** The paths of its files, the first of them. */
export async function skillFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  const paths = files.map(file => relative(folder, join(file.parentPath, file.name)).replaceAll(sep, '/'))
  return paths.sort().slice(0, MAX_LISTED)
}

/** A text in a skill's folder. Throws `not_found` for what is not there or leads out of it, `invalid` for what is no text. */
export async function readSkillFile(folder: string, path: string): Promise<string> {
  return readText(await within(folder, path))
}

/** The file at a path, wherever links lead: nothing outside of the folder may be read. */
async function within(folder: string, path: string): Promise<string> {
  const missing = new RunloomError('not_found', `There is no file '${path}' in this skill`)
  const [root, file] = await Promise.all([realpath(folder), realpath(join(folder, path))]).catch(() => {
    throw missing
  })
  if (!file.startsWith(root + sep)) throw missing
  if (!(await stat(file)).isFile()) throw missing
  return file
}

async function readText(file: string): Promise<string> {
  if ((await stat(file)).size > MAX_FILE_BYTES) throw new RunloomError('invalid', `${file} is larger than 1 MB`)
  const bytes = await readFile(file)
  if (bytes.includes(0)) throw new RunloomError('invalid', 'This file is not text')
  return bytes.toString('utf8')
}
