// A graph of one's own in the embedded client: it tells how far it is, asks, and goes on with the answer, which may come
// from another process. Checks itself.
//
//   npx node examples/custom-graph.ts
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Annotation,
  END,
  interrupt,
  type LangGraphRunnableConfig,
  MessagesAnnotation,
  START,
  StateGraph,
} from '@langchain/langgraph'
import { RunloomClient } from '../src/index.ts' // runloom

const State = Annotation.Root({
  ...MessagesAnnotation.spec,
  title: Annotation<string>,
  artifacts: Annotation<string[]>,
})

const report = new StateGraph(State)
  .addNode('draft', (_, config: LangGraphRunnableConfig) => {
    for (const percent of [50, 100]) config.writer?.({ percent })
    return { title: 'Quarterly report', artifacts: ['report.md'] }
  })
  .addNode('review', () => {
    const approved = interrupt({ question: 'Send it?' }) === 'yes'
    return { messages: [{ role: 'assistant', content: approved ? 'Sent.' : 'Kept as a draft.' }] }
  })
  .addEdge(START, 'draft')
  .addEdge('draft', 'review')
  .addEdge('review', END)
  .compile()

const data = mkdtempSync(join(tmpdir(), 'runloom-example-'))
const options = { data, env: {}, graphs: { report }, assistantId: 'report' }
const threadId = 'report-1'

const client = new RunloomClient(options)
const progress: unknown[] = []
let question: unknown
for await (const { type, data } of client.stream('Write the report', { threadId })) {
  if (type === 'custom') progress.push(data)
  if (type === 'values') question = data.__interrupt__
}
console.log('it said', progress, 'and asks', question)
assert.deepEqual(progress, [{ percent: 50 }, { percent: 100 }])
assert.deepEqual(
  (question as { value: unknown }[]).map(({ value }) => value),
  [{ question: 'Send it?' }],
)
await client.close()

const later = new RunloomClient(options)
assert.equal(await later.chat({ resume: 'yes' }, { threadId }), 'Sent.')
const [thread] = (await later.listThreads()).thread_list
assert.equal(thread?.title, 'Quarterly report')
await later.close()
rmSync(data, { recursive: true, force: true })
console.log('The answer of another client ended the run: sent.')
