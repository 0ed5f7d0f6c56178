import { TestServer } from './harness.ts'
import { mkdtempSync } from 'node:fs'
import { builtInAgent } from '../../src/agent/agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
const server = await TestServer.open(`sqlite:${mkdtempSync('/tmp/rl-')}/a.db`)
await server.serve('agent', builtInAgent(new OfflineModel({delay_ms: 0})))
for (let i = 0; i < 3; i++) {
setTimeout(async () => { console.log('stuck'); console.log(await (server.db as any).run({module:'',name:'x',steps:function*(){ return yield {sql:'select seq,event,substr(data,1,50) d from run_events',values:[],text:''} as any}}, undefined)) }, 4000).unref()
const r3 = await server.run('agent', { input: { messages: [{ role: 'user', content: 'what is 2+3?' }] } , stream_mode: process.argv.slice(2)})
console.dir(r3.outcome, { depth: 9 }); console.log(r3.events.length)
}
await server.close()
