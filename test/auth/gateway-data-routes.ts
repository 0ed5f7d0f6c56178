// The gateway dialect's data as somebody else: for the table of every route.
import { newId } from '../../src/core/ids.ts'
import { zipOf } from '../support/zip.ts'
import type { Case, World } from './routes.test.ts'

const thread = (w: World) => `/api/threads/${w.thread_id}`
const run = (w: World) => `${thread(w)}/runs/${w.run_id}`
const fact = (w: World) => `/api/memory/facts/${w.fact_id}`
const QUESTION = 'question'

const PUBLIC = [
  'features',
  'suggestions/config',
  'input-polish/config',
  'agents',
  'user-profile',
  'mcp/config',
  'channels',
  'channels/providers',
  'channels/connections',
  'scheduled-tasks',
  'memory/config',
  'models',
]

export const GATEWAY_DATA: Record<string, (world: World) => Case> = {
  ...Object.fromEntries(PUBLIC.map(path => [`GET /api/${path}`, (): Case => ['known', `/api/${path}`]])),
  'GET /api/memory': () => ['asked', '/api/memory'],
  'GET /api/memory/export': () => ['asked', '/api/memory/export'],
  'POST /api/memory/reload': () => ['asked', '/api/memory/reload'],
  'GET /api/memory/status': () => ['asked', '/api/memory/status'],
  'POST /api/memory/import': () => ['asked', '/api/memory/import', { facts: [] }],
  'DELETE /api/memory': () => ['asked', '/api/memory'],
  'POST /api/memory/facts': w => ['asked', '/api/memory/facts', { content: `new ${w.mark}` }],
  'PATCH /api/memory/facts/:id': w => [404, fact(w), { confidence: 1 }],
  'DELETE /api/memory/facts/:id': w => [404, fact(w)],
  'GET /api/skills': () => ['known', '/api/skills'],
  'GET /api/skills/:name': () => ['known', '/api/skills/haiku'],
  'PUT /api/skills/:name': () => ['admin', '/api/skills/haiku', { enabled: true }],
  'POST /api/skills/install': () => ['admin', '/api/skills/install', () => skillNamed(newId())],
  'PUT /api/mcp/config': () => ['admin', '/api/mcp/config', { mcp_servers: {} }],
  'PATCH /api/mcp/config': () => ['admin', '/api/mcp/config', { mcp_servers: {} }],
  'GET /api/models/:name': () => ['known', '/api/models/offline'],
  'GET /api/threads/:thread_id/uploads/limits': w => ['known', `${thread(w)}/uploads/limits`],
  'POST /api/threads/:thread_id/suggestions': w => ['known', `${thread(w)}/suggestions`, { messages: [] }],
  'GET /api/threads/:thread_id/uploads/list': w => [404, `${thread(w)}/uploads/list`],
  'POST /api/threads/:thread_id/uploads': w => [404, `${thread(w)}/uploads`, oneFile()],
  'DELETE /api/threads/:thread_id/uploads/:name': w => [404, `${thread(w)}/uploads/a.txt`],
  'GET /api/threads/:thread_id/artifacts/:path{.+}': w => [404, `${thread(w)}/artifacts/mnt/user-data/uploads/a.txt`],
  'GET /api/threads/:thread_id/goal': w => [404, `${thread(w)}/goal`],
  'PUT /api/threads/:thread_id/goal': w => [404, `${thread(w)}/goal`, { goal: 'tea' }],
  'DELETE /api/threads/:thread_id/goal': w => [404, `${thread(w)}/goal`],
  'GET /api/threads/:thread_id/mcp-tasks': w => [404, `${thread(w)}/mcp-tasks`],
  'GET /api/threads/:thread_id/messages': w => [404, `${thread(w)}/messages`],
  'GET /api/threads/:thread_id/messages/page': w => [404, `${thread(w)}/messages/page`],
  'GET /api/threads/:thread_id/token-usage': w => [404, `${thread(w)}/token-usage`],
  'GET /api/threads/:thread_id/runs/:run_id/messages': w => [404, `${run(w)}/messages`],
  'GET /api/threads/:thread_id/runs/:run_id/events': w => [404, `${run(w)}/events`],
  'GET /api/threads/:thread_id/runs/:run_id/workspace-changes': w => [404, `${run(w)}/workspace-changes`],
  'GET /api/threads/:thread_id/runs/:run_id/feedback': w => [404, `${run(w)}/feedback`],
  'GET /api/threads/:thread_id/runs/:run_id/feedback/stats': w => [404, `${run(w)}/feedback/stats`],
  'PUT /api/threads/:thread_id/runs/:run_id/feedback': w => [404, `${run(w)}/feedback`, { rating: -1 }],
  'POST /api/threads/:thread_id/runs/:run_id/feedback': w => [
    404,
    `/api/threads/${w.waiting.thread_id}/runs/${w.waiting.run_id}/feedback`,
    { rating: 1 },
  ],
  'DELETE /api/threads/:thread_id/runs/:run_id/feedback': w => [404, `${run(w)}/feedback`],
  'DELETE /api/threads/:thread_id/runs/:run_id/feedback/:feedback_id': w => [
    404,
    `${run(w)}/feedback/${w.feedback_id}`,
  ],
  'GET /api/runs/:run_id/messages': w => [404, `/api/runs/${w.run_id}/messages`],
  'GET /api/runs/:run_id/feedback': w => [404, `/api/runs/${w.run_id}/feedback`],
  'POST /api/threads/:thread_id/runs/regenerate/prepare': w => [
    404,
    `/api/threads/${w.talk_id}/runs/regenerate/prepare`,
    { message_id: 'answer' },
  ],
  'POST /api/threads/:thread_id/runs/edit-regenerate/prepare': w => [
    404,
    `/api/threads/${w.talk_id}/runs/edit-regenerate/prepare`,
    { human_message_id: QUESTION, replacement_text: 'another' },
  ],
}

/** What is uploaded: `a.txt`. */
export function oneFile(): FormData {
  const body = new FormData()
  body.append('files', new Blob(['text']), 'a.txt')
  return body
}

/** What the last two do again. */
export const TALK = [
  { type: 'human', id: QUESTION, content: 'why?' },
  { type: 'ai', id: 'answer', content: 'because' },
]

/** The archive of a skill. */
export function skillNamed(name: string): Buffer {
  return zipOf([{ name: 'SKILL.md', content: `---\nname: ${name}\ndescription: How to.\n---\n` }])
}
