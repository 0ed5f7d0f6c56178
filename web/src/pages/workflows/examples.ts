// Workflows to start from. They run with the offline model, so that nothing is needed to try them.
export interface Example {
  name: string
  note: string
  spec: object
}

const answer = (name: string, from: string) => ({ name, from, pointer: '/output/0/content/0/text' })

export const EXAMPLES: Example[] = [
  {
    name: 'One step',
    note: 'A question with an input',
    spec: {
      kind: 'workflow',
      name: 'One step',
      model: 'offline',
      inputs: [{ name: 'topic', type: 'string', description: 'What to explain', default: 'checkpoint' }],
      nodes: [{ id: 'explain', type: 'llm', user: 'What is a {{topic}}?' }],
      outputs: [answer('explanation', 'explain')],
    },
  },
  {
    name: 'Beside each other',
    note: 'Two steps at once, and one that needs both',
    spec: {
      kind: 'workflow',
      name: 'Beside each other',
      model: 'offline',
      nodes: [
        { id: 'runs', type: 'llm', user: 'What is a run?', stream: true },
        { id: 'threads', type: 'llm', user: 'What is a thread?', stream: true },
        { id: 'both', type: 'llm', user: 'Compare in one sentence: {{runs}} And: {{threads}}' },
      ],
      outputs: [answer('comparison', 'both')],
    },
  },
  {
    name: 'For each item',
    note: 'The same step for everything in a list',
    spec: {
      kind: 'workflow',
      name: 'For each item',
      model: 'offline',
      inputs: [{ name: 'words', type: 'array', default: ['run', 'thread', 'checkpoint'] }],
      nodes: [
        {
          id: 'explain_all',
          type: 'map.fanout',
          items_from_input: 'words',
          subnode: { id: 'explain', type: 'llm', user: 'What is a {{item}}?' },
          max_parallelism: 2,
        },
      ],
      outputs: [{ name: 'explanations', from: 'explain_all' }],
    },
  },
  {
    name: 'Ask a person',
    note: 'A step that waits until somebody has answered',
    spec: {
      kind: 'workflow',
      name: 'Ask a person',
      model: 'offline',
      nodes: [
        {
          id: 'ask',
          type: 'llm',
          user: 'Use user_ask with {"question": "What shall it be?", "options": [{"label": "Tea"}, {"label": "Coffee", "description": "Black"}]}',
          tools: ['user_ask'],
          tool_execution: { mode: 'client' },
        },
        { id: 'serve', type: 'llm', user: 'Somebody said: {{ask}}. What is a run?', stream: true },
      ],
      outputs: [answer('chosen', 'ask'), answer('served', 'serve')],
    },
  },
]

export function textOf({ spec }: Example): string {
  return JSON.stringify(spec, null, 2)
}
