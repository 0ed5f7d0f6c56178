// A program with an embedded client: says a sentence word by word, and prints the run and each event.
import { RunloomClient } from '../../src/index.ts'
import { echo } from '../fixtures/api/graphs.ts'

const [, , data = '', message = ''] = process.argv
await using client = new RunloomClient({ data, env: {}, graphs: { echo }, assistantId: 'echo' })
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
for await (const event of client.stream(message, { onRunCreated: print })) print(event)
