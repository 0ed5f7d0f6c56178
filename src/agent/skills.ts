// Skills in the lead agent: the model is told the names and descriptions of those that are switched on, and reads one with a
// tool when a task calls for it.
import { createMiddleware, tool } from 'langchain'
import { z } from 'zod'
import type { Skills } from '../core/skills.ts'
import { instructed } from './instructions.ts'

/** Characters of a file that a model gets at once. */
const MAX_CHARACTERS = 40_000

export function skillsMiddleware(skills: Skills) {
  const readSkill = tool(
    async ({ skill, path, offset }, { context }) => {
      if (!isAvailable(skill, context)) throw new Error(`The skill "${skill}" is not for this run`)
      const text = await skills.read(skill, path || undefined)
      const end = offset + MAX_CHARACTERS
      const rest = text.length - end
      return text.slice(offset, end) + (rest > 0 ? `\n[${rest} characters more; go on with offset ${end}]` : '')
    },
    {
      name: 'read_skill',
      description: 'Reads the instructions of a skill, or another file of its folder.',
      schema: z.object({
        skill: z.string().describe('Its name.'),
        path: z.string().optional().describe('A file in its folder; without one, its instructions.'),
        offset: z.number().int().min(0).default(0).describe('Characters to leave out at the beginning.'),
      }),
    },
  )
  return createMiddleware({
    name: 'Skills',
    tools: [readSkill],
    wrapModelCall: async (request, handler) => {
      const { context } = request.runtime
      const offered = (await skills.list()).filter(({ name, enabled }) => enabled && isAvailable(name, context))
      if (offered.length > 0) return handler(instructed(request, told(offered)))
      // A tool that can read nothing is not shown.
      return handler({ ...request, tools: request.tools.filter(one => one !== readSkill) })
    },
  })
}

/** A run may name those that it is for, as `available_skills` of its context. */
function isAvailable(skill: string, context: unknown): boolean {
  const { available_skills: available } = (context ?? {}) as { available_skills?: unknown }
  return !Array.isArray(available) || available.includes(skill)
}

function told(skills: readonly { name: string; description: string }[]): string {
  const lines = skills.map(({ name, description }) => `- ${name}: ${description.split(/\s+/).join(' ')}`)
  return ['Skills you have. Where one fits the task, read it with read_skill first and follow it:', ...lines].join('\n')
}
