// The models that there are, for the page's menu and the embedded client. Relative to where the dialect is mounted.
import { Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { wireModel } from '../protocol/models.ts'
import type { Ports } from './ports.ts'

export function gatewayModelRoutes({ models }: Ports) {
  return new Hono()
    .get('/models', c => c.json({ models: models.list().map(wireModel), token_usage: { enabled: true } }))
    .get('/models/:name', c => {
      const name = c.req.param('name')
      const known = models.find(name)
      if (known) return c.json(wireModel(known))
      const names = models.list().map(model => model.name)
      throw new RunloomError('not_found', `Model '${name}' not found; this server has ${names.join(', ')}`)
    })
}
