import { TestServer } from './harness.ts'
import { mkdtempSync } from 'node:fs'
import { builtInAgent } from '../../src/agent/agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
const server = await TestServer.open(`sqlite:${mkdtempSync('/tmp/rl-')}/a.db`)
await server.serve('agent', builtInAgent(new OfflineModel({delay_ms: Number(process.env.D ?? 0)})))
const r3 = await server.run('agent', { input: { messages: [{ role: 'user', content: 'what is 2+3?' }] } , stream_mode: process.argv.slice(2)})
console.dir(r3.outcome, { depth: 9 }); for (const e of r3.events) console.log(e.seq, e.event, e.data.slice(0, 250))
await server.close()
