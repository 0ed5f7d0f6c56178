// Skills over HTTP (contracts: gateway §2). Paths are relative to where the dialect is mounted.
import { Hono } from 'hono'
import type { z } from 'zod'
import * as protocol from '../protocol/skills.ts'
import { administrate } from './access.ts'
import { body } from './errors.ts'
import type { Ports } from './ports.ts'

export function gatewaySkillRoutes(ports: Ports) {
  const { skills } = ports
  return new Hono()
    .get('/skills', async c => c.json({ skills: await skills.list() }))
    .get('/skills/:name', async c => c.json(await skills.get(c.req.param('name'))))
    .put('/skills/:name', async c => {
      administrate(ports, c)
      const { enabled } = await body(c, protocol.enableSkill)
      return c.json(await skills.setEnabled(c.req.param('name'), enabled))
    })
    .post('/skills/install', async c => {
      administrate(ports, c)
      const { name } = await skills.install(Buffer.from(await c.req.arrayBuffer()))
      const answer: z.infer<typeof protocol.installedSkill> = {
        success: true,
        skill_name: name,
        message: `Skill '${name}' installed successfully`,
      }
      return c.json(answer)
    })
}
