// Every operation that is served: the table behind the API's description, and of what each needs who asks for it. A route
// that is missing here fails a test.
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
import { joining, type Needs, pruning } from './scopes.ts'

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
  SearchRuns: runs.searchRuns,
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
  scope: Needs
  /** Which `disable_…` of the configuration turns it off. */
  group: 'always' | 'meta' | 'ui' | 'assistants' | 'threads' | 'runs' | 'store'
  tag: string
  summary: string
  body?: SchemaName
  query?: Record<string, z.ZodType>
  /** The field of a multipart body that has the files. */
  files?: string
  /** `json` is any; `cancel` is 202, or 204 for who waits; `text` is no JSON. */
  answer: 'json' | 'object' | 'array' | 'integer' | 'stream' | 'empty' | 'cancel' | 'text' | 'file'
}

/** A line of the table. */
export type Row = [
  operation: `${Uppercase<Operation['method']>} /${string}`,
  scope: Needs,
  answer: Operation['answer'],
  summary: string,
  more?: Pick<Operation, 'body' | 'query' | 'files'>,
]

const select = z.array(z.string())
const cancel_on_disconnect = common.flag
const stateQuery = { subgraphs: common.flag, select: threads.selectState }
const { limit, offset, status, metadata } = runs.listRuns.shape

const assistantRows: Row[] = [
  ['POST /assistants', 'threads:write', 'object', 'Create an assistant', { body: 'CreateAssistant' }],
  ['POST /assistants/search', 'threads:read', 'array', 'Search assistants', { body: 'SearchAssistants' }],
  ['POST /assistants/count', 'threads:read', 'integer', 'Count assistants', { body: 'CountAssistants' }],
  ['GET /assistants/{assistant_id}', 'threads:read', 'object', 'Get an assistant'],
  [
    'PATCH /assistants/{assistant_id}',
    'threads:write',
    'object',
    'Change an assistant: a new version',
    { body: 'PatchAssistant' },
  ],
  [
    'DELETE /assistants/{assistant_id}',
    'threads:delete',
    'array',
    'Delete an assistant',
    { query: { delete_threads: common.flag } },
  ],
  [
    'GET /assistants/{assistant_id}/graph',
    'threads:read',
    'object',
    'Draw its graph',
    { query: { xray: assistants.xray } },
  ],
  ['GET /assistants/{assistant_id}/schemas', 'threads:read', 'object', 'What its graph takes and gives'],
  [
    'GET /assistants/{assistant_id}/subgraphs',
    'threads:read',
    'object',
    'The same of its subgraphs',
    { query: { recurse: common.flag } },
  ],
  [
    'GET /assistants/{assistant_id}/subgraphs/{namespace}',
    'threads:read',
    'object',
    'The same of one of them',
    { query: { recurse: common.flag } },
  ],
  [
    'POST /assistants/{assistant_id}/versions',
    'threads:read',
    'array',
    'List its versions',
    { body: 'SearchVersions' },
  ],
  [
    'POST /assistants/{assistant_id}/latest',
    'threads:write',
    'object',
    'Choose the version that counts',
    { body: 'LatestVersion', query: { version: assistants.version } },
  ],
]

const thread = '/threads/{thread_id}' as const
const threadRows: Row[] = [
  ['POST /threads', 'threads:write', 'object', 'Create a thread', { body: 'CreateThread' }],
  ['POST /threads/search', 'threads:read', 'array', 'Search threads', { body: 'SearchThreads' }],
  ['POST /threads/count', 'threads:read', 'integer', 'Count threads', { body: 'CountThreads' }],
  ['POST /threads/prune', pruning, 'object', 'Delete threads, or all but their latest state', { body: 'PruneThreads' }],
  [`GET ${thread}`, 'threads:read', 'object', 'Get a thread', { query: { include: select } }],
  [`PATCH ${thread}`, 'threads:write', 'object', 'Change its metadata and time to live', { body: 'PatchThread' }],
  [`DELETE ${thread}`, 'threads:delete', 'empty', 'Delete a thread'],
  [`POST ${thread}/copy`, 'threads:write', 'object', 'Copy a thread with its whole state'],
  [`GET ${thread}/storage`, 'threads:read', 'object', 'What it takes in the database'],
  [`GET ${thread}/state`, 'threads:read', 'object', 'Its latest state', { query: stateQuery }],
  [`POST ${thread}/state`, 'threads:write', 'object', 'Update its state', { body: 'UpdateState' }],
  [
    `PATCH ${thread}/state`,
    'threads:write',
    'empty',
    'Change the metadata of its latest state',
    { body: 'PatchState' },
  ],
  [`GET ${thread}/state/{checkpoint_id}`, 'threads:read', 'object', 'Its state at a checkpoint', { query: stateQuery }],
  [
    `POST ${thread}/state/checkpoint`,
    'threads:read',
    'object',
    'Its state at a checkpoint',
    { body: 'StateAtCheckpoint' },
  ],
  [
    `GET ${thread}/history`,
    'threads:read',
    'array',
    'Its states, newest first',
    { query: { limit: common.limit, before: z.string(), select: threads.selectState } },
  ],
  [`POST ${thread}/history`, 'threads:read', 'array', 'Its states, newest first', { body: 'History' }],
  [
    `GET ${thread}/stream`,
    'runs:read',
    'stream',
    'Follow it across its runs',
    { query: { stream_mode: threads.threadStreamModes } },
  ],
]

const run = `${thread}/runs` as const
const join = { stream_mode: z.array(runs.streamMode), cancel_on_disconnect }
const cancel = { action: runs.cancelAction, wait: common.flag }
const runRows: Row[] = [
  [
    `GET ${run}`,
    'runs:read',
    'array',
    'List the runs of a thread',
    { query: { limit, offset, status, metadata, select } },
  ],
  [`POST ${run}`, 'runs:create', 'object', 'Create a run', { body: 'CreateRun' }],
  [`POST ${run}/stream`, 'runs:create', 'stream', 'Create a run and stream it', { body: 'CreateRun' }],
  [`POST ${run}/wait`, 'runs:create', 'json', 'Create a run and wait for its result', { body: 'CreateRun' }],
  [`GET ${run}/{run_id}`, 'runs:read', 'object', 'Get a run'],
  [`DELETE ${run}/{run_id}`, 'runs:cancel', 'empty', 'Delete a run'],
  [`GET ${run}/{run_id}/join`, joining, 'json', 'Wait for its result', { query: { cancel_on_disconnect } }],
  [`GET ${run}/{run_id}/stream`, joining, 'stream', 'Stream it, from Last-Event-ID on', { query: join }],
  [`POST ${run}/{run_id}/cancel`, 'runs:cancel', 'cancel', 'Cancel a run', { query: cancel }],
  [`GET ${run}/{run_id}/webhooks`, 'runs:read', 'array', 'The deliveries of its webhook'],
  [`POST ${run}/{run_id}/webhooks/{delivery_id}/redeliver`, 'runs:create', 'object', 'Send one again'],
]

const statelessRows: Row[] = [
  ['POST /runs', 'runs:create', 'object', 'Create a run on a thread of its own', { body: 'CreateRun' }],
  ['POST /runs/stream', 'runs:create', 'stream', 'Create one and stream it', { body: 'CreateRun' }],
  ['POST /runs/wait', 'runs:create', 'json', 'Create one and wait for its result', { body: 'CreateRun' }],
  ['POST /runs/batch', 'runs:create', 'array', 'Create several, all or none', { body: 'BatchRuns' }],
  [
    'POST /runs/cancel',
    'runs:cancel',
    'empty',
    'Cancel many runs',
    { body: 'CancelRuns', query: { action: runs.cancelAction } },
  ],
  ['POST /runs/search', 'runs:read', 'array', 'Search the runs of all threads', { body: 'SearchRuns' }],
  ['GET /runs/{run_id}/stream', joining, 'stream', 'Stream one, from Last-Event-ID on', { query: join }],
]

const cronRows: Row[] = [
  [
    'POST /runs/crons',
    'threads:write',
    'object',
    'Create a cron; each run gets a thread of its own',
    { body: 'CreateCron' },
  ],
  [`POST ${run}/crons`, 'threads:write', 'object', 'Create a cron on a thread', { body: 'CreateCron' }],
  ['POST /runs/crons/search', 'threads:read', 'array', 'Search crons', { body: 'SearchCrons' }],
  ['POST /runs/crons/count', 'threads:read', 'integer', 'Count crons', { body: 'CountCrons' }],
  ['GET /runs/crons/{cron_id}', 'threads:read', 'object', 'Get a cron'],
  ['PATCH /runs/crons/{cron_id}', 'threads:write', 'object', 'Change a cron', { body: 'PatchCron' }],
  ['DELETE /runs/crons/{cron_id}', 'threads:delete', 'empty', 'Delete a cron'],
]

const storeRows: Row[] = [
  ['PUT /store/items', 'threads:write', 'empty', 'Put an item', { body: 'PutItem' }],
  [
    'GET /store/items',
    'threads:read',
    'json',
    'Get an item, or null',
    { query: { namespace: z.string(), key: z.string(), refresh_ttl: common.flag } },
  ],
  ['DELETE /store/items', 'threads:delete', 'empty', 'Delete an item', { body: 'ItemName' }],
  ['POST /store/items/search', 'threads:read', 'object', 'Search items', { body: 'SearchItems' }],
  ['POST /store/namespaces', 'threads:read', 'object', 'List namespaces', { body: 'SearchNamespaces' }],
]

const workflowRows: Row[] = [
  ['POST /api/v1/workflows/compile', 'threads:write', 'object', 'Compile a workflow', { body: 'Workflow' }],
  [
    'POST /api/v1/workflows/lint',
    'threads:read',
    'object',
    'Check the schemas in a workflow',
    { body: 'Workflow', query: { compile: common.flag } },
  ],
  ['GET /api/v1/schemas/workflow.schema.json', 'open', 'object', 'The JSON Schema of workflows'],
  ['GET /api/v1/schemas/run_event.schema.json', 'open', 'object', 'The JSON Schema of events'],
  [
    'POST /api/v1/runs',
    'runs:create',
    'object',
    'Run a workflow',
    { body: 'CreateWorkflowRun', query: { stream: common.flag } },
  ],
  ['GET /api/v1/runs', 'runs:read', 'object', 'List workflow runs', { query: workflowRuns.listWorkflowRuns.shape }],
  ['GET /api/v1/runs/{run_id}', 'runs:read', 'object', 'Get a workflow run', { query: { include: z.string() } }],
  ['GET /api/v1/runs/{run_id}/steps', 'runs:read', 'object', 'List the model calls of a workflow run'],
  ['GET /api/v1/runs/{run_id}/steps/{step}/tool-calls/{tool_id}', 'runs:read', 'object', 'Get a tool call'],
  ['GET /api/v1/runs/{run_id}/tasks', 'runs:read', 'object', 'List the tasks that a workflow run has written down'],
  [
    'GET /api/v1/runs/{run_id}/events',
    'runs:read',
    'stream',
    'Follow a workflow run; NDJSON unless server-sent events are accepted',
    { query: { after_seq: z.number(), limit: z.number(), wait: z.boolean(), include_output: z.boolean() } },
  ],
  [
    'GET /api/v1/runs/{run_id}/pending-tools',
    'runs:read',
    'object',
    'List the tool calls that the client has to answer',
  ],
  ['POST /api/v1/runs/{run_id}/tool-results', 'runs:create', 'object', 'Answer tool calls', { body: 'ToolResults' }],
  ['POST /api/v1/runs/{run_id}/cancel', 'runs:cancel', 'object', 'Cancel a workflow run'],
]

const sessionRows: Row[] = [
  ['POST /api/v1/sessions', 'threads:write', 'object', 'Create a session', { body: 'CreateSession' }],
  ['GET /api/v1/sessions', 'threads:read', 'object', 'List sessions', { query: sessions.listSessions.shape }],
  ['GET /api/v1/sessions/{session_id}', 'threads:read', 'object', 'Get a session with its messages'],
  [
    'PATCH /api/v1/sessions/{session_id}',
    'threads:write',
    'object',
    'Set the metadata of a session',
    { body: 'PatchSession' },
  ],
  ['DELETE /api/v1/sessions/{session_id}', 'threads:delete', 'empty', 'Delete a session'],
  [
    'POST /api/v1/sessions/{session_id}/messages',
    'threads:write',
    'object',
    'Add a message',
    { body: 'SessionMessage' },
  ],
  ['POST /api/v1/sessions/{session_id}/clear', 'threads:write', 'object', 'Remove all messages'],
]

const metaRows: Row[] = [
  ['GET /health', 'open', 'object', 'Whether it is well'],
  ['GET /info', 'open', 'object', 'What this server is and can do'],
  ['GET /metrics', 'known', 'text', 'Metrics for Prometheus', { query: { format: z.enum(['prometheus', 'json']) } }],
  ['GET /openapi.json', 'open', 'object', 'This description'],
  ['GET /docs', 'open', 'text', 'This description, to read and try'],
  ['GET /docs/{file}', 'open', 'text', 'A file of its viewer'],
]

const uiRows: Row[] = [
  ['GET /ui/*', 'open', 'text', 'The web page'],
  ['GET /ui/assets/{file}', 'open', 'text', 'A file of it'],
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
  ...table('always', 'System', [
    ['GET /ok', 'open', 'object', 'Whether it is there', { query: { check_db: common.flag } }],
  ]),
  ...table('meta', 'System', metaRows),
  ...table('ui', 'System', uiRows),
  ...table('assistants', 'Gateway: assistants', gateway.assistants),
  ...table('threads', 'Gateway: threads', gateway.threads),
  ...table('runs', 'Gateway: runs', gateway.runs),
  ...table('meta', 'Gateway: system', gateway.meta),
]

function table(group: Operation['group'], tag: string, rows: Row[]): Operation[] {
  return rows.map(([operation, scope, answer, summary, more]) => {
    const [method = '', path = ''] = operation.split(' ')
    return { method: method.toLowerCase() as Operation['method'], path, scope, group, tag, summary, answer, ...more }
  })
}
