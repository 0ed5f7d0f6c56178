// Every operation that is served: the table behind the API's description. A route that is missing here fails a test.
import { z } from 'zod'
import * as assistants from '../protocol/assistants.ts'
import * as common from '../protocol/common.ts'
import * as crons from '../protocol/crons.ts'
import * as runs from '../protocol/runs.ts'
import * as sessions from '../protocol/sessions.ts'
import * as store from '../protocol/store.ts'
import * as threads from '../protocol/threads.ts'
import * as workflowRuns from '../protocol/workflow-runs.ts'
import { workflowSpec } from '../protocol/workflow-spec.ts'
import { GATEWAY_SCHEMAS, gatewayDataRows, gatewayRows } from './gateway-operations.ts'

/** The bodies of requests, as they are validated. */
export const SCHEMAS = {
  CreateAssistant: assistants.createAssistant,
  PatchAssistant: assistants.patchAssistant,
  SearchAssistants: assistants.searchAssistants,
  CountAssistants: assistants.countAssistants,
  SearchVersions: assistants.searchVersions,
  LatestVersion: assistants.latestVersion,
  CreateThread: threads.createThread,
  PatchThread: threads.patchThread,
  SearchThreads: threads.searchThreads,
  CountThreads: threads.countThreads,
  PruneThreads: threads.pruneThreads,
  UpdateState: threads.updateState,
  PatchState: threads.patchState,
  StateAtCheckpoint: threads.stateAtCheckpoint,
  History: threads.history,
  CreateRun: runs.createRun,
  BatchRuns: runs.batchRuns,
  CancelRuns: runs.cancelRuns,
  CreateCron: crons.createCron,
  PatchCron: crons.patchCron,
  SearchCrons: crons.searchCrons,
  CountCrons: crons.countCrons,
  PutItem: store.putItem,
  ItemName: store.itemName,
  SearchItems: store.searchItems,
  SearchNamespaces: store.searchNamespaces,
  ...GATEWAY_SCHEMAS,
  Workflow: workflowSpec,
  CreateWorkflowRun: workflowRuns.createWorkflowRun,
  ToolResults: workflowRuns.toolResults,
  CreateSession: sessions.createSession,
  PatchSession: sessions.patchSession,
  SessionMessage: sessions.sessionMessage,
} satisfies Record<string, z.ZodType>

export type SchemaName = keyof typeof SCHEMAS

export interface Operation {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  path: string
  /** Which `disable_…` of the configuration turns it off. */
  group: 'always' | 'meta' | 'assistants' | 'threads' | 'runs' | 'store'
  tag: string
  summary: string
  body?: SchemaName
  query?: Record<string, z.ZodType>
  /** `json` is any; `cancel` is 202, or 204 for who waits; `text` is no JSON. */
  answer: 'json' | 'object' | 'array' | 'integer' | 'stream' | 'empty' | 'cancel' | 'text'
}

/** A line of the table. */
export type Row = [
  operation: `${Uppercase<Operation['method']>} /${string}`,
  answer: Operation['answer'],
  summary: string,
  more?: Pick<Operation, 'body' | 'query'>,
]

const select = z.array(z.string())
const cancel_on_disconnect = common.flag
const stateQuery = { subgraphs: common.flag, select: threads.selectState }
const { limit, offset, status, metadata } = runs.listRuns.shape

const assistantRows: Row[] = [
  ['POST /assistants', 'object', 'Create an assistant', { body: 'CreateAssistant' }],
  ['POST /assistants/search', 'array', 'Search assistants', { body: 'SearchAssistants' }],
  ['POST /assistants/count', 'integer', 'Count assistants', { body: 'CountAssistants' }],
  ['GET /assistants/{assistant_id}', 'object', 'Get an assistant'],
  ['PATCH /assistants/{assistant_id}', 'object', 'Change an assistant: a new version', { body: 'PatchAssistant' }],
  ['DELETE /assistants/{assistant_id}', 'array', 'Delete an assistant', { query: { delete_threads: common.flag } }],
  ['GET /assistants/{assistant_id}/graph', 'object', 'Draw its graph', { query: { xray: assistants.xray } }],
  ['GET /assistants/{assistant_id}/schemas', 'object', 'What its graph takes and gives'],
  [
    'GET /assistants/{assistant_id}/subgraphs',
    'object',
    'The same of its subgraphs',
    { query: { recurse: common.flag } },
  ],
  [
    'GET /assistants/{assistant_id}/subgraphs/{namespace}',
    'object',
    'The same of one of them',
    { query: { recurse: common.flag } },
  ],
  ['POST /assistants/{assistant_id}/versions', 'array', 'List its versions', { body: 'SearchVersions' }],
  [
    'POST /assistants/{assistant_id}/latest',
    'object',
    'Choose the version that counts',
    { body: 'LatestVersion', query: { version: assistants.version } },
  ],
]

const thread = '/threads/{thread_id}' as const
const threadRows: Row[] = [
  ['POST /threads', 'object', 'Create a thread', { body: 'CreateThread' }],
  ['POST /threads/search', 'array', 'Search threads', { body: 'SearchThreads' }],
  ['POST /threads/count', 'integer', 'Count threads', { body: 'CountThreads' }],
  ['POST /threads/prune', 'object', 'Delete threads, or all but their latest state', { body: 'PruneThreads' }],
  [`GET ${thread}`, 'object', 'Get a thread', { query: { include: select } }],
  [`PATCH ${thread}`, 'object', 'Change its metadata and time to live', { body: 'PatchThread' }],
  [`DELETE ${thread}`, 'empty', 'Delete a thread'],
  [`POST ${thread}/copy`, 'object', 'Copy a thread with its whole state'],
  [`GET ${thread}/storage`, 'object', 'What it takes in the database'],
  [`GET ${thread}/state`, 'object', 'Its latest state', { query: stateQuery }],
  [`POST ${thread}/state`, 'object', 'Update its state', { body: 'UpdateState' }],
  [`PATCH ${thread}/state`, 'empty', 'Change the metadata of its latest state', { body: 'PatchState' }],
  [`GET ${thread}/state/{checkpoint_id}`, 'object', 'Its state at a checkpoint', { query: stateQuery }],
  [`POST ${thread}/state/checkpoint`, 'object', 'Its state at a checkpoint', { body: 'StateAtCheckpoint' }],
  [
    `GET ${thread}/history`,
    'array',
    'Its states, newest first',
    { query: { limit: common.limit, before: z.string(), select: threads.selectState } },
  ],
  [`POST ${thread}/history`, 'array', 'Its states, newest first', { body: 'History' }],
  [
    `GET ${thread}/stream`,
    'stream',
    'Follow it across its runs',
    { query: { stream_mode: threads.threadStreamModes } },
  ],
]

const run = `${thread}/runs` as const
const join = { stream_mode: z.array(runs.streamMode), cancel_on_disconnect }
const cancel = { action: runs.cancelAction, wait: common.flag }
const runRows: Row[] = [
  [`GET ${run}`, 'array', 'List the runs of a thread', { query: { limit, offset, status, metadata, select } }],
  [`POST ${run}`, 'object', 'Create a run', { body: 'CreateRun' }],
  [`POST ${run}/stream`, 'stream', 'Create a run and stream it', { body: 'CreateRun' }],
  [`POST ${run}/wait`, 'json', 'Create a run and wait for its result', { body: 'CreateRun' }],
  [`GET ${run}/{run_id}`, 'object', 'Get a run'],
  [`DELETE ${run}/{run_id}`, 'empty', 'Delete a run'],
  [`GET ${run}/{run_id}/join`, 'json', 'Wait for its result', { query: { cancel_on_disconnect } }],
  [`GET ${run}/{run_id}/stream`, 'stream', 'Stream it, from Last-Event-ID on', { query: join }],
  [`POST ${run}/{run_id}/cancel`, 'cancel', 'Cancel a run', { query: cancel }],
  [`GET ${run}/{run_id}/webhooks`, 'array', 'The deliveries of its webhook'],
  [`POST ${run}/{run_id}/webhooks/{delivery_id}/redeliver`, 'object', 'Send one again'],
]

const statelessRows: Row[] = [
  ['POST /runs', 'object', 'Create a run on a thread of its own', { body: 'CreateRun' }],
  ['POST /runs/stream', 'stream', 'Create one and stream it', { body: 'CreateRun' }],
  ['POST /runs/wait', 'json', 'Create one and wait for its result', { body: 'CreateRun' }],
  ['POST /runs/batch', 'array', 'Create several, all or none', { body: 'BatchRuns' }],
  ['POST /runs/cancel', 'empty', 'Cancel many runs', { body: 'CancelRuns', query: { action: runs.cancelAction } }],
  ['GET /runs/{run_id}/stream', 'stream', 'Stream one, from Last-Event-ID on', { query: join }],
]

const cronRows: Row[] = [
  ['POST /runs/crons', 'object', 'Create a cron; each run gets a thread of its own', { body: 'CreateCron' }],
  [`POST ${run}/crons`, 'object', 'Create a cron on a thread', { body: 'CreateCron' }],
  ['POST /runs/crons/search', 'array', 'Search crons', { body: 'SearchCrons' }],
  ['POST /runs/crons/count', 'integer', 'Count crons', { body: 'CountCrons' }],
  ['GET /runs/crons/{cron_id}', 'object', 'Get a cron'],
  ['PATCH /runs/crons/{cron_id}', 'object', 'Change a cron', { body: 'PatchCron' }],
  ['DELETE /runs/crons/{cron_id}', 'empty', 'Delete a cron'],
]

const storeRows: Row[] = [
  ['PUT /store/items', 'empty', 'Put an item', { body: 'PutItem' }],
  [
    'GET /store/items',
    'json',
    'Get an item, or null',
    { query: { namespace: z.string(), key: z.string(), refresh_ttl: common.flag } },
  ],
  ['DELETE /store/items', 'empty', 'Delete an item', { body: 'ItemName' }],
  ['POST /store/items/search', 'object', 'Search items', { body: 'SearchItems' }],
  ['POST /store/namespaces', 'object', 'List namespaces', { body: 'SearchNamespaces' }],
]

const workflowRows: Row[] = [
  ['POST /api/v1/workflows/compile', 'object', 'Compile a workflow', { body: 'Workflow' }],
  [
    'POST /api/v1/workflows/lint',
    'object',
    'Check the schemas in a workflow',
    { body: 'Workflow', query: { compile: common.flag } },
  ],
  ['GET /api/v1/schemas/workflow.schema.json', 'object', 'The JSON Schema of workflows'],
  ['GET /api/v1/schemas/run_event.schema.json', 'object', 'The JSON Schema of events'],
  ['POST /api/v1/runs', 'object', 'Run a workflow', { body: 'CreateWorkflowRun', query: { stream: common.flag } }],
  ['GET /api/v1/runs', 'object', 'List workflow runs', { query: workflowRuns.listWorkflowRuns.shape }],
  ['GET /api/v1/runs/{run_id}', 'object', 'Get a workflow run', { query: { include: z.string() } }],
  ['GET /api/v1/runs/{run_id}/steps', 'object', 'List the model calls of a workflow run'],
  [
    'GET /api/v1/runs/{run_id}/events',
    'stream',
    'Follow a workflow run; NDJSON unless server-sent events are accepted',
    { query: { after_seq: z.number(), limit: z.number(), wait: z.boolean(), include_output: z.boolean() } },
  ],
  ['GET /api/v1/runs/{run_id}/pending-tools', 'object', 'List the tool calls that the client has to answer'],
  ['POST /api/v1/runs/{run_id}/tool-results', 'object', 'Answer tool calls', { body: 'ToolResults' }],
  ['POST /api/v1/runs/{run_id}/cancel', 'object', 'Cancel a workflow run'],
]

const sessionRows: Row[] = [
  ['POST /api/v1/sessions', 'object', 'Create a session', { body: 'CreateSession' }],
  ['GET /api/v1/sessions', 'object', 'List sessions', { query: sessions.listSessions.shape }],
  ['GET /api/v1/sessions/{session_id}', 'object', 'Get a session with its messages'],
  ['PATCH /api/v1/sessions/{session_id}', 'object', 'Set the metadata of a session', { body: 'PatchSession' }],
  ['DELETE /api/v1/sessions/{session_id}', 'empty', 'Delete a session'],
  ['POST /api/v1/sessions/{session_id}/messages', 'object', 'Add a message', { body: 'SessionMessage' }],
  ['POST /api/v1/sessions/{session_id}/clear', 'object', 'Remove all messages'],
]

const metaRows: Row[] = [
  ['GET /health', 'object', 'Whether it is well'],
  ['GET /info', 'object', 'What this server is and can do'],
  ['GET /metrics', 'text', 'Metrics for Prometheus', { query: { format: z.enum(['prometheus', 'json']) } }],
  ['GET /openapi.json', 'object', 'This description'],
  ['GET /docs', 'text', 'This description, to read and try'],
  ['GET /docs/{file}', 'text', 'A file of its viewer'],
]

const gateway = gatewayRows({ assistants: assistantRows, threads: threadRows })

export const operations: Operation[] = [
  ...table('assistants', 'Assistants', assistantRows),
  ...table('threads', 'Threads', threadRows),
  ...table('runs', 'Runs', runRows),
  ...table('runs', 'Stateless runs', statelessRows),
  ...table('runs', 'Crons', cronRows),
  ...table('store', 'Store', storeRows),
  ...table('threads', 'Gateway', gatewayDataRows),
  ...table('runs', 'Workflows', workflowRows),
  ...table('runs', 'Sessions', sessionRows),
  ...table('always', 'System', [['GET /ok', 'object', 'Whether it is there', { query: { check_db: common.flag } }]]),
  ...table('meta', 'System', metaRows),
  ...table('assistants', 'Gateway: assistants', gateway.assistants),
  ...table('threads', 'Gateway: threads', gateway.threads),
  ...table('runs', 'Gateway: runs', gateway.runs),
  ...table('meta', 'Gateway: system', gateway.meta),
]

function table(group: Operation['group'], tag: string, rows: Row[]): Operation[] {
  return rows.map(([operation, answer, summary, more]) => {
    const [method = '', path = ''] = operation.split(' ')
    return { method: method.toLowerCase() as Operation['method'], path, group, tag, summary, answer, ...more }
  })
}
