// Skills as they are on the wire, the same over HTTP and in process (contracts: gateway §2, §3.1), and what stands at the
// top of a SKILL.md.
import { z } from 'zod'
import { threadId } from './gateway.ts'

export const skillName = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, { error: 'use small letters, digits and single hyphens between them' })

/** The front matter of SKILL.md; other keys are for other readers. */
export const skillHead = z.object({
  name: skillName,
  description: z.string().trim().min(1).max(1_024),
  license: z.string().max(1_024).nullish(),
})

export const skill = z.object({
  name: z.string(),
  description: z.string(),
  license: z.string().nullable(),
  /** `custom`: installed here; it stands before a public one of the same name. */
  category: z.enum(['public', 'custom']),
  enabled: z.boolean(),
})

export type Skill = z.infer<typeof skill>

export const skillList = z.object({ skills: z.array(skill) })

export const enableSkill = z.object({ enabled: z.boolean() })

/** An archive among the files of a thread; or the archive itself is the body. */
export const installSkill = z.object({
  thread_id: threadId,
  path: z.string().regex(/\.skill$/, { error: 'use the path of a .skill file, below /mnt/user-data' }),
})

export const installedSkill = z.object({ success: z.boolean(), skill_name: z.string(), message: z.string() })
