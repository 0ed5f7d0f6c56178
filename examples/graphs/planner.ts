// A graph that starts a plan: a workflow of two of the server's assistants, side by side, whose answers become the graph's.
import { Annotation, END, type LangGraphRunnableConfig, START, StateGraph } from '@langchain/langgraph'
import { WorkflowRunsClient } from '../../src/client/client.ts' // runloom/client

const State = Annotation.Root({ task: Annotation<string>, answers: Annotation<Record<string, unknown>> })

/** One of the server's assistants, asked what the run's input `name` says. */
function asking(name: string) {
  const input = [
    { type: 'message' as const, role: 'user' as const, content: [{ type: 'text' as const, text: `{{${name}}}` }] },
  ]
  const bindings = [{ from_input: name, to_placeholder: name }]
  return { id: name, type: 'agent.run' as const, input: { agent: 'agent', input, bindings } }
}

const PLAN = {
  kind: 'workflow.v1' as const,
  inputs: [{ name: 'task' }, { name: 'check' }],
  nodes: [asking('task'), asking('check')],
  outputs: ['task', 'check'].map(name => ({ name, from: name, pointer: '/output/0/content/0/text' })),
}

async function plan({ task }: typeof State.State, { configurable, signal }: LangGraphRunnableConfig) {
  const client = new WorkflowRunsClient({ auth: 'none' }) // without a URL: the server that this graph runs in
  // The same key finds the same run when this node is run again after a crash.
  const idempotencyKey = `${configurable?.run_id} plan`
  const input = { task, check: 'What happens when a process is killed?' }
  const { run_id } = await client.createWithOptions(PLAN, { input, idempotencyKey })
  for await (const _ of await client.streamEvents(run_id, { ...(signal && { signal }) }));
  const { status, outputs } = await client.get(run_id)
  if (status !== 'succeeded') throw new Error(`the plan ${status}`)
  return { answers: outputs }
}

export const planner = new StateGraph(State).addNode('plan', plan).addEdge(START, 'plan').addEdge('plan', END).compile()
