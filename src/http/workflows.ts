// Compiling workflows, and the JSON Schemas of what clients write and read (contracts: workflows §2.1, §2.8).
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { z } from 'zod'
import { RunloomError } from '../core/errors.ts'
import { flag } from '../protocol/common.ts'
import { runEvent } from '../protocol/workflow-events.ts'
import { workflowSpec } from '../protocol/workflow-spec.ts'
import { compile } from '../workflow/compile.ts'
import { refuseInvalid } from '../workflow/issues.ts'
import { lint } from '../workflow/lint.ts'
import { keepPlan } from '../workflow/plans.ts'
import { bodyText, parse } from './errors.ts'
import type { Ports } from './ports.ts'
import { sessionRoutes } from './sessions.ts'
import { v1App } from './v1-errors.ts'
import { ownerFor } from './workflow-access.ts'
import { workflowRunRoutes } from './workflow-runs.ts'

export function workflowRoutes(ports: Ports) {
  const { db, logger } = ports
  const app = v1App(logger)
  app.post('/workflows/compile', async c => {
    const owner = await ownerFor(ports, c, 'threads:create')
    const compiled = compile(await json(c))
    if ('issues' in compiled) return refuseInvalid(compiled.issues)
    const { plan_hash, text } = compiled
    await db.run(keepPlan, { owner, plan_hash, text })
    return c.json({ plan_json: JSON.parse(text), plan_hash })
  })
  app.post('/workflows/lint', async c => {
    await ownerFor(ports, c, 'threads:create')
    const spec = await json(c)
    const found = { kind: (spec as { kind?: unknown } | null)?.kind ?? null, lint_issues: lint(spec) }
    if (!parse(flag, c.req.query('compile'), 'compile')) return c.json(found)
    const compiled = compile(spec)
    if ('issues' in compiled) return c.json({ ...found, compile_issues: compiled.issues })
    return c.json({ ...found, plan_json: JSON.parse(compiled.text), plan_hash: compiled.plan_hash })
  })
  for (const [name, document] of schemas()) {
    const etag = `"${createHash('sha256').update(document).digest('hex')}"`
    app.get(`/schemas/${name}.schema.json`, c => {
      if (c.req.header('if-none-match') === etag) return c.body(null, 304, { etag })
      return c.body(document, 200, { etag, 'content-type': 'application/schema+json' })
    })
  }
  app.route('/', workflowRunRoutes(ports))
  app.route('/', sessionRoutes(ports))
  return app
}

function schemas(): [name: string, document: string][] {
  const documents = { run_event: runEvent, workflow: workflowSpec }
  return Object.entries(documents).map(([name, schema]) => {
    const document = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' })
    return [name, JSON.stringify(document, null, 2)]
  })
}

/** The body, whatever JSON it is. */
export async function json(c: Context): Promise<unknown> {
  const text = await bodyText(c)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RunloomError('malformed', `body: not JSON (${(cause as Error).message})`, { cause })
  }
}
