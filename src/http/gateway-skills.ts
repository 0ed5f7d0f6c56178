// Skills over HTTP (contracts: gateway §2). Paths are relative to where the dialect is mounted.
import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import { RunloomError } from '../core/errors.ts'
import { MAX_ARCHIVE_BYTES } from '../core/skill-archive.ts'
import { getThread } from '../core/threads.ts'
import { segmentsOf } from '../core/virtual-paths.ts'
import * as protocol from '../protocol/skills.ts'
import { administrate, permit } from './access.ts'
import { body, parseBody } from './errors.ts'
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
      const { name } = await skills.install(await archiveOf(ports, c))
      const answer: z.infer<typeof protocol.installedSkill> = {
        success: true,
        skill_name: name,
        message: `Skill '${name}' installed successfully`,
      }
      return c.json(answer)
    })
}

/** The body itself, or the file of a thread that a body of JSON names. */
async function archiveOf(ports: Ports, c: Context): Promise<Buffer> {
  const sent = Buffer.from(await c.req.arrayBuffer())
  if (!/^\s*\{/.test(sent.toString('latin1', 0, 64))) return sent
  const { thread_id, path } = parseBody(sent.toString(), protocol.installSkill)
  const { allowed } = await permit(ports, c, 'threads:read', { thread_id })
  await ports.db.run(getThread, { thread_id, allowed })
  const { handle, size } = await ports.files.open(thread_id, segmentsOf(path))
  try {
    if (size > MAX_ARCHIVE_BYTES)
      throw new RunloomError('malformed', `path: the archive is larger than ${MAX_ARCHIVE_BYTES} bytes`)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
