// What the pictures of the page show: a small company's server, made through the public API with the offline model. The
// server is killed in the middle of a plan and started again, so that a run has two attempts.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@langchain/langgraph-sdk'
import { llm, mapItem, WorkflowRunsClient, workflow } from '../src/client/client.ts'
import { clientOf, type ServerOptions, type ServerProcess, startServer } from '../test/support/server.ts'

const say = (content: string) => ({ messages: [{ role: 'user', content }] })

const PLAN = 'Plan: what is 1280 / 4 and then ask a sub-agent to count to 12 and then what is 320 * 12'

/** A server full of things, and where the pages about single ones are. */
export async function furnishedServer(options: ServerOptions) {
  const first = await startServer(options)
  const planned = await beginPlan(clientOf(first.url))
  await first.kill()
  const server = await startServer({ ...options, port: Number(new URL(first.url).port) })
  const client = clientOf(server.url)
  await client.runs.join(planned.thread_id, planned.run_id)
  await talk(client, 'Hello!', 'What can you do?')
  const asked = await talk(client, 'Ask me for the date of the launch.')
  const survived = await talk(
    client,
    'How do runs survive a crash?',
    'What is a checkpoint?',
    'And what is 12 * (3 + 4)?',
  )
  await assistants(client)
  await crons(client)
  await items(client)
  const receiver = await webhooks(client)
  await troubles(client)
  const workflow_run = await workflows(server)
  const [assistant] = await client.assistants.search({ metadata: { team: 'support' } })
  const [agent] = await client.assistants.search({ graphId: 'agent' })
  const history = await client.threads.getHistory(survived.thread_id, { limit: 20 })
  const answered = history.find(({ next }) => next[0] === 'Title.after_agent')
  const stop = async () => {
    receiver.close()
    await server.stop()
  }
  return {
    url: server.url,
    stop,
    pages: {
      chat: `/chat/${planned.thread_id}`,
      question: `/chat/${asked.thread_id}`,
      run: `/runs/${planned.thread_id}/${planned.run_id}`,
      state: `/threads/${survived.thread_id}/state?at=${answered?.checkpoint.checkpoint_id}`,
      graph: `/graph?assistant=${agent?.assistant_id}&run=${planned.thread_id}/${planned.run_id}`,
      assistant: `/assistants/${assistant?.assistant_id}`,
      'workflow-run': `/workflows/${workflow_run}`,
    },
  }
}

/** A run in plan mode, far enough that the rest of it is another attempt's. */
async function beginPlan({ threads, runs }: Client) {
  const { thread_id } = await threads.create({ metadata: { title: 'Prices of an order' } })
  const context = { is_plan_mode: true, subagent_enabled: true }
  const streamMode = ['values' as const, 'messages-tuple' as const, 'tasks' as const, 'custom' as const]
  const { run_id } = await runs.create(thread_id, 'agent', {
    input: say(PLAN),
    context,
    streamMode,
    streamSubgraphs: true,
  })
  const isFar = ({ todos = [] }: { todos?: { status: string }[] }) => todos[0]?.status === 'completed'
  while (!isFar((await threads.getState<{ todos?: [] }>(thread_id)).values)) await sleep(50)
  return { thread_id, run_id }
}

async function talk({ threads, runs }: Client, ...questions: string[]) {
  const { thread_id } = await threads.create()
  for (const question of questions) await runs.wait(thread_id, 'agent', { input: say(question) })
  return { thread_id }
}

async function assistants({ assistants }: Client) {
  const shared = { graphId: 'lead_agent', metadata: { team: 'support' } }
  const { assistant_id } = await assistants.create({
    ...shared,
    name: 'Support desk',
    description: 'Answers customers, and asks when it is not sure',
    context: { is_plan_mode: false, thinking_enabled: false },
  })
  const context = { is_plan_mode: true, thinking_enabled: false, subagent_enabled: true }
  await assistants.update(assistant_id, { ...shared, context })
}

async function crons({ crons }: Client) {
  const at = (schedule: string, content: string) =>
    crons.create('agent', { schedule, timezone: 'Europe/Berlin', input: say(content) })
  await at('0 8 * * 1-5', 'What is there to do today?')
  await at('*/30 * * * *', 'Look through the new tickets.')
  await at('0 18 1 * *', 'Write the report of the month.')
}

async function items({ store }: Client) {
  const put = (namespace: string[], key: string, value: Record<string, unknown>) => store.putItem(namespace, key, value)
  await put(['users', 'anna'], 'language', { text: 'Prefers answers in German', since: '2026-03-02' })
  await put(['users', 'anna'], 'delivery', { text: 'Wants parcels left with the neighbour' })
  await put(['users', 'jonas'], 'allergies', { text: 'Cannot have nuts', confirmed: true })
  await put(['shop', 'teas'], 'sencha', { text: 'Green tea from Shizuoka', cents: 1450, in_stock: 32 })
  await put(['shop', 'teas'], 'assam', { text: 'Black tea, malty', cents: 990, in_stock: 0 })
  await put(['shop', 'hours'], 'week', { text: 'Monday to Friday, 9 to 18' })
}

/** Two that arrive, and one that is refused; who receives them stays until it is closed. */
async function webhooks({ threads, runs }: Client) {
  const receiver = createServer((request, response) => {
    response.writeHead(request.url === '/reports' ? 503 : 204).end()
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  const { port } = receiver.address() as AddressInfo
  const asked = {
    tickets: 'What is 3 * 19 + 4?',
    reports: 'How much is 1280 / 16?',
    invoices: 'What time is it in Tokyo?',
  }
  for (const [path, question] of Object.entries(asked)) {
    const { thread_id } = await threads.create()
    const webhook = `http://127.0.0.1:${port}/${path}`
    await runs.wait(thread_id, 'agent', { input: say(question), webhook })
  }
  return receiver
}

/** A run that fails, and one that goes on for longer than the pictures take. */
async function troubles({ threads, runs }: Client) {
  const failing = await threads.create({ metadata: { title: 'Plan of the launch' } })
  const config = { recursion_limit: 1 }
  const { run_id } = await runs.create(failing.thread_id, 'planner', { input: { task: 'What is 6 * 7?' }, config })
  await runs.join(failing.thread_id, run_id)
  const { thread_id } = await threads.create({ metadata: { title: 'A long count' } })
  await runs.create(thread_id, 'agent', { input: say('Please count to 1000') })
}

/** A finished run, and another that waits for a person. */
async function workflows({ url }: ServerProcess): Promise<string> {
  const client = new WorkflowRunsClient({ baseUrl: `${url}/api/v1`, auth: 'none' })
  const topics = ['run', 'thread', 'checkpoint', 'stream']
  const explain = mapItem(
    'explain',
    { id: 'topic', type: 'llm', user: 'What is a {{item}}?' },
    { items_from_input: 'topics', max_parallelism: 2 },
  )
  const guide = workflow({
    name: 'A short guide',
    model: 'offline',
    inputs: [{ name: 'topics', type: 'array', default: topics }],
  })
    .node(explain)
    .node(llm('storage', { user: 'Which database does Runloom use?', stream: true }))
    .node(llm('crash', { user: 'What happens when a process is killed?', stream: true }))
    .join('all', ['explain', 'storage', 'crash'])
    .llm('summary', { user: 'What does Runloom do?', stream: true })
    .edge('all', 'summary')
    .text('guide', 'summary')
    .text('safety', 'crash')
    .build()
  const { run_id } = await client.createWithOptions(guide, { input: { topics } })
  for await (const _ of await client.streamEvents(run_id));
  const { status } = await client.get(run_id)
  if (status !== 'succeeded') throw new Error(`the workflow ${status}`)
  return run_id
}
