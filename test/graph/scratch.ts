import { TestServer } from './harness.ts'
import { StateGraph, Annotation, MessagesAnnotation, interrupt } from '@langchain/langgraph'
import { mkdtempSync } from 'node:fs'
import { builtInAgent } from '../../src/agent/agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
const server = await TestServer.open(`sqlite:${mkdtempSync('/tmp/rl-')}/a.db`)
const S = Annotation.Root({ log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }) })
const chain = new StateGraph(S).addNode('a', async () => ({ log: ['a'] })).addNode('b', async () => { const x = interrupt('q'); return { log: ['b' + x] } })
  .addEdge('__start__', 'a').addEdge('a', 'b').compile()
await server.serve('chain', chain)
const r = await server.run('chain', { input: { log: ['in'] } })
console.dir(r.outcome, { depth: 9 }); for (const e of r.events) console.log(e.seq, e.event, e.data.slice(0, 200))
const r2 = await server.run('chain', { command: { resume: 'yes' } }, r.thread_id)
console.dir(r2.outcome, { depth: 9 }); for (const e of r2.events) console.log(e.seq, e.event, e.data.slice(0, 200))
await server.serve('agent', builtInAgent(new OfflineModel()))
setTimeout(async () => { console.log("stuck"); console.log(await (server.db as any).run({module:"",name:"x",steps:function*(){ return yield {sql:"select seq,event,substr(data,1,50) d from run_events",values:[],text:""} as any}}, undefined)) }, 4000).unref()
const r3 = await server.run('agent', { input: { messages: [{ role: 'user', content: 'what is 2+3?' }] } , stream_mode: process.argv.slice(2)})
console.dir(r3.outcome, { depth: 9 }); for (const e of r3.events) console.log(e.seq, e.event, e.data.slice(0, 250))
await server.close()
