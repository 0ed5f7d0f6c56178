// Accepting a workflow run (contracts: workflows §2.2): the plan is found or compiled, everything that the run needs is
// checked before anything is stored, and one transaction creates it.
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { isUsable } from '../core/assistants.ts'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { type Json, jsonText } from '../core/json.ts'
import { flag } from '../protocol/common.ts'
import * as protocol from '../protocol/workflow-runs.ts'
import { compile } from '../workflow/compile.ts'
import type { WorkflowRequest } from '../workflow/execution.ts'
import { Issues, refuseInvalid } from '../workflow/issues.ts'
import { modelOf, type Overrides } from '../workflow/overrides.ts'
import { modelNodes, type Plan } from '../workflow/plan.ts'
import { getPlan } from '../workflow/plans.ts'
import { type CreatedWorkflowRun, createWorkflowRun } from '../workflow/runs.ts'
import { hasType } from '../workflow/validate.ts'
import { namedAssistant, permit } from './access.ts'
import { userOf } from './authentication.ts'
import { bodyText, parse, parseBody } from './errors.ts'
import type { Ports } from './ports.ts'
import { ownerOf } from './workflow-access.ts'

/** Creates the run that a request's body describes, or finds the one that its idempotency key made. */
export async function acceptWorkflowRun(ports: Ports, c: Context) {
  const text = await bodyText(c)
  const request = parseBody(text, protocol.createWorkflowRun)
  const stream = request.stream ?? parse(flag, c.req.query('stream'), 'stream')
  ports.webhooks.check(request.webhook)
  const owner = ownerOf(ports, c)
  const asked = await permit(ports, c, 'threads:create_run', { metadata: {}, kwargs: {} })
  const made = await permit(ports, c, 'threads:create', { metadata: { ...asked.value.metadata } })
  const { plan, plan_hash, text: planText } = await planOf(ports, owner, request)
  const overrides = overridesOf(request)
  const issues = new Issues()
  const path = pathsOf(plan, request.spec)
  if (stream) checkStreaming(issues, plan, path)
  checkOverrides(issues, plan, overrides)
  await checkModels(ports, issues, plan, overrides, path)
  const agents = await agentsOf(ports, c, issues, plan, path)
  if (issues.list.length > 0) refuseInvalid(issues.list)
  const input = inputOf(plan, request.input ?? {})
  const session = request.session_id == null ? {} : { session_id: request.session_id }
  const run: WorkflowRequest = {
    owner,
    plan_hash,
    agents,
    input,
    ...overrides,
    ...(stream && { stream }),
    ...(request.webhook != null && { webhook: request.webhook }),
    ...session,
  }
  const user = userOf(c)
  const key = request.options?.idempotency_key?.trim()
  const body_hash = createHash('sha256').update(text).digest('hex')
  const args = {
    run_id: newId(),
    thread_id: newId(),
    request: run,
    plan: planText,
    metadata: made.value.metadata,
    allowed: made.allowed,
    auth_user: user ? jsonText(user) : null,
    ...(key && { idempotency: { face: 'workflow', owner: user?.identity ?? '', key, body_hash } }),
  }
  const created = await ports.worker.startHere<CreatedWorkflowRun>(claim =>
    ports.gate.admit(queue => ports.db.run(createWorkflowRun, { ...args, queue, ...(claim && { claim }) })),
  )
  if (!created.claimed && !created.repeated) ports.bus.publish('work')
  const { plan_hash: hash } = JSON.parse(created.run.kwargs) as WorkflowRequest
  return { run_id: created.run.run_id, status: created.status, plan_hash: hash }
}

async function planOf({ db }: Ports, owner: string, { spec, plan_hash }: protocol.CreateWorkflowRun) {
  if ((spec == null) === (plan_hash == null)) {
    throw new RunloomError('malformed', 'body: give exactly one of spec and plan_hash')
  }
  if (plan_hash != null) {
    const text = await db.run(getPlan, { owner, plan_hash })
    return { plan: JSON.parse(text) as Plan, plan_hash, text }
  }
  const compiled = compile(spec)
  return 'issues' in compiled ? refuseInvalid(compiled.issues) : compiled
}

function overridesOf({ model_override, model_overrides }: protocol.CreateWorkflowRun): Overrides {
  const { nodes, fanout_subnodes } = model_overrides ?? {}
  return {
    ...(model_override && { model_override }),
    ...((nodes || fanout_subnodes) && {
      model_overrides: { ...(nodes && { nodes }), ...(fanout_subnodes && { fanout_subnodes }) },
    }),
  }
}

/** Which assistants the run's nodes may be, by the name that they are called by; one that there is not is an issue. */
async function agentsOf(
  ports: Ports,
  c: Context,
  issues: Issues,
  { nodes }: Plan,
  path: (id: string) => string,
): Promise<WorkflowRequest['agents']> {
  const agents: WorkflowRequest['agents'] = {}
  for (const node of nodes) {
    if (node.type !== 'agent.run') continue
    const { agent } = node.input
    const { allowed } = await permit(ports, c, 'assistants:read', { assistant_id: namedAssistant(agent) })
    if (!(await ports.db.run(isUsable, { assistant_id: agent, allowed }))) {
      issues.add('UNKNOWN_AGENT', `${path(node.id)}.input.agent`, `there is no assistant "${agent}" here`)
    }
    agents[agent] = allowed ?? null
  }
  return agents
}

/** Where a node stands in the spec that was sent, or else in the plan. */
function pathsOf(plan: Plan, spec: protocol.CreateWorkflowRun['spec']): (id: string) => string {
  const nodes = (Array.isArray(spec?.nodes) ? spec.nodes : plan.nodes) as Json[]
  const places = new Map(nodes.map((node, index) => [node.id, `$.nodes[${index}]`]))
  return id => places.get(id) ?? '$.nodes'
}

function checkStreaming(issues: Issues, plan: Plan, path: (id: string) => string) {
  for (const { id, parent_id, input } of modelNodes(plan)) {
    const { mode } = input.tool_execution
    if (mode === 'server') continue
    const at = parent_id ? `${path(parent_id)}.subnode` : path(id)
    issues.add('STREAM_TOOL_CONFLICT', `${at}.tool_execution.mode`, `a node that streams cannot run tools as ${mode}`)
  }
}

function checkOverrides(issues: Issues, plan: Plan, { model_overrides = {} }: Overrides) {
  const nodes = modelNodes(plan)
  for (const id of Object.keys(model_overrides.nodes ?? {})) {
    if (nodes.some(node => node.id === id && !node.parent_id)) continue
    issues.add('UNKNOWN_OVERRIDE_NODE', `$.model_overrides.nodes.${id}`, `there is no node "${id}" that calls a model`)
  }
  for (const [index, { parent_id, subnode_id }] of (model_overrides.fanout_subnodes ?? []).entries()) {
    if (nodes.some(node => node.id === subnode_id && node.parent_id === parent_id)) continue
    const at = `$.model_overrides.fanout_subnodes[${index}]`
    issues.add('UNKNOWN_OVERRIDE_NODE', at, `there is no subnode "${subnode_id}" of "${parent_id}" that calls a model`)
  }
}

async function checkModels(
  { models }: Ports,
  issues: Issues,
  plan: Plan,
  overrides: Overrides,
  path: (id: string) => string,
) {
  for (const node of modelNodes(plan)) {
    const at = node.parent_id ? `${path(node.parent_id)}.subnode.model` : `${path(node.id)}.model`
    const model = modelOf(node, overrides)
    if (model === undefined) {
      issues.add('MODEL_REQUIRED', at, 'name a model: here, for the whole spec, or as model_override of the run')
    } else {
      const fault = await models.get(model).then(
        () => undefined,
        (error: Error) => error.message,
      )
      if (fault) issues.add('UNKNOWN_MODEL', at, fault)
    }
  }
}

/** What the run gets for its declared inputs. Others than those are refused, as they would be read by nothing. */
function inputOf(plan: Plan, given: Record<string, unknown>): Record<string, Json> {
  const faults: { field: string; message: string }[] = []
  const input: Record<string, Json> = {}
  for (const { name, type, required, default: fallback } of plan.inputs) {
    const value = Object.hasOwn(given, name) ? given[name] : fallback
    if (value === undefined) {
      if (required) faults.push({ field: `input.${name}`, message: 'is missing' })
    } else if (!hasType(value, type)) faults.push({ field: `input.${name}`, message: `must be of type ${type}` })
    else input[name] = value
  }
  if (faults.length === 0) return input
  const text = faults.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new RunloomError('malformed', text, { details: { fields: faults } })
}
