// Skills: folders with a SKILL.md that tells the agent how something is done (contracts: gateway §2). They lie in the
// folders `public` and `custom` of the skills' folder, which is read at every use; whether one is switched on is in the
// database, so that all processes agree.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import sql from 'sql-template-tag'
import { all, type Database, type Steps, transition } from '../db/database.ts'
import type { Skill } from '../protocol/skills.ts'
import { RunloomError } from './errors.ts'
import type { Logger } from './logger.ts'
import { unpackSkill } from './skill-archive.ts'
import { readHead, readSkillFile, skillFiles } from './skill-files.ts'

const CATEGORIES = ['public', 'custom'] as const

interface FoundSkill extends Skill {
  folder: string
}

export class Skills {
  readonly #db: Database
  readonly #folder: string
  readonly #logger: Logger
  /** Said once each: broken folders are met at every use. */
  readonly #faults = new Set<string>()

  constructor({ db, folder, logger }: { db: Database; folder: string; logger: Logger }) {
    this.#db = db
    this.#folder = folder
    this.#logger = logger
  }

  /** By name. Of two with one name the custom one counts. A folder that is no skill is left out, and logged once. */
  async list(): Promise<Skill[]> {
    return (await this.#found()).map(({ folder: _, ...skill }) => skill)
  }

  async get(name: string): Promise<Skill> {
    const { folder: _, ...skill } = await this.#find(name)
    return skill
  }

  async setEnabled(name: string, enabled: boolean): Promise<Skill> {
    await this.#find(name)
    await this.#db.run(setSkillState, { name, enabled })
    return this.get(name)
  }

  /** Unpacks a `.skill` archive. Throws `malformed` for one that is not taken, `conflict` for a name that is. */
  async install(archive: Buffer): Promise<Skill> {
    const name = await unpackSkill(archive, join(this.#folder, 'custom'))
    return this.get(name)
  }

  /** A text of an enabled skill: SKILL.md with the names of the other files, or one of those. */
  async read(name: string, path = 'SKILL.md'): Promise<string> {
    const skill = await this.#find(name)
    if (!skill.enabled) throw new RunloomError('not_found', `Skill '${name}' is switched off`)
    const text = await readSkillFile(skill.folder, path)
    if (path !== 'SKILL.md') return text
    const others = (await skillFiles(skill.folder)).filter(file => file !== path)
    return others.length === 0 ? text : `${text}\n\nOther files of this skill:\n${others.join('\n')}`
  }

  async #find(name: string): Promise<FoundSkill> {
    const found = (await this.#found()).find(skill => skill.name === name)
    if (found) return found
    throw new RunloomError('not_found', `Skill '${name}' not found`)
  }

  async #found(): Promise<FoundSkill[]> {
    const byName = new Map<string, Omit<FoundSkill, 'enabled'>>()
    for (const category of CATEGORIES) {
      for (const folder of await foldersIn(join(this.#folder, category))) {
        try {
          const { name, description, license = null } = await readHead(folder)
          byName.set(name, { name, description, license, category, folder })
        } catch (error) {
          this.#report(`${folder}: ${(error as Error).message}`)
        }
      }
    }
    if (byName.size === 0) return []
    const off = new Set(await this.#db.run(skillsSwitchedOff, undefined))
    const found = [...byName.values()].map(skill => ({ ...skill, enabled: !off.has(skill.name) }))
    return found.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #report(fault: string) {
    if (this.#faults.has(fault)) return
    this.#faults.add(fault)
    this.#logger('warn', 'a skill cannot be used', { fault })
  }
}

/** Hidden ones are not skills: an installation begins as one. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(error => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const names = entries.filter(entry => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name)
  return names.sort().map(name => join(folder, name))
}

export const skillsSwitchedOff = transition(import.meta.url, 'skillsSwitchedOff', function* (): Steps<string[]> {
  const rows = yield* all<{ name: string }>(sql`select name from skill_states where enabled = 0`)
  return rows.map(({ name }) => name)
})

export const setSkillState = transition(
  import.meta.url,
  'setSkillState',
  function* ({ name, enabled }: { name: string; enabled: boolean }): Steps<void> {
    yield sql`
      insert into skill_states (name, enabled) values (${name}, ${enabled ? 1 : 0})
      on conflict (name) do update set enabled = excluded.enabled`
  },
)
