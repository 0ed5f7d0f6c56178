// The operations of the gateway dialect that are served beside its runs, for the API's description.
import { eventQuery, messageQuery, pageQuery, usageQuery } from '../protocol/gateway-data.ts'
import type { Row } from './operations.ts'

const THREAD = '/api/threads/{thread_id}'
const RUN = `${THREAD}/runs/{run_id}` as const

export const gatewayDataRows: Row[] = [
  [`GET ${RUN}/messages`, 'object', 'Messages of a run', { query: messageQuery.shape }],
  ['GET /api/runs/{run_id}/messages', 'object', 'Messages of a run', { query: messageQuery.shape }],
  [`GET ${THREAD}/messages`, 'array', 'Messages of a thread', { query: messageQuery.shape }],
  [`GET ${THREAD}/messages/page`, 'object', 'Messages of a thread, backwards', { query: pageQuery.shape }],
  [`GET ${RUN}/events`, 'array', 'Events of a run', { query: eventQuery.shape }],
  [`GET ${THREAD}/token-usage`, 'object', 'What a thread has spent', { query: usageQuery.shape }],
  [`GET ${RUN}/feedback`, 'array', 'Feedback on a run'],
  ['GET /api/runs/{run_id}/feedback', 'array', 'Feedback on a run'],
  [`GET ${RUN}/feedback/stats`, 'object', 'Feedback on a run, counted'],
  [`PUT ${RUN}/feedback`, 'object', 'Give or change feedback', { body: 'Feedback' }],
  [`POST ${RUN}/feedback`, 'object', 'Give feedback', { body: 'Feedback' }],
  [`DELETE ${RUN}/feedback`, 'object', 'Take feedback back'],
  [`DELETE ${RUN}/feedback/{feedback_id}`, 'object', 'Take feedback back'],
  [`POST ${THREAD}/runs/regenerate/prepare`, 'object', 'What answers the last question anew', { body: 'Regenerate' }],
  [
    `POST ${THREAD}/runs/edit-regenerate/prepare`,
    'object',
    'What asks another last question',
    { body: 'EditAndRegenerate' },
  ],
  [`POST ${THREAD}/suggestions`, 'object', 'Next questions', { body: 'Suggestions' }],
  [`GET ${RUN}/workspace-changes`, 'object', 'Files that a run changed'],
  [`GET ${THREAD}/uploads/limits`, 'object', 'What may be uploaded'],
  [`GET ${THREAD}/uploads/list`, 'object', 'What was uploaded'],
  [`GET ${THREAD}/goal`, 'object', 'The goal of a thread'],
  [`GET ${THREAD}/mcp-tasks`, 'array', 'MCP tasks of a thread'],
  ['GET /api/models', 'object', 'Models'],
  ['GET /api/models/{name}', 'object', 'A model'],
  ['GET /api/features', 'object', 'What is switched on'],
  ['GET /api/suggestions/config', 'object', 'Whether questions are suggested'],
  ['GET /api/input-polish/config', 'object', 'Whether drafts are polished'],
  ['GET /api/skills', 'object', 'Skills'],
  ['GET /api/agents', 'object', 'Custom agents'],
  ['GET /api/user-profile', 'object', "The user's profile"],
  ['GET /api/mcp/config', 'object', 'MCP servers'],
  ['GET /api/channels', 'object', 'Channels'],
  ['GET /api/channels/providers', 'object', 'Providers of channels'],
  ['GET /api/channels/connections', 'object', 'Connections of channels'],
  ['GET /api/scheduled-tasks', 'array', 'Scheduled tasks'],
  ['GET /api/memory', 'object', 'Memory'],
  ['GET /api/memory/export', 'object', 'Memory, to keep'],
  ['GET /api/memory/config', 'object', "Memory's settings"],
  ['GET /api/memory/status', 'object', "Memory's state"],
]
