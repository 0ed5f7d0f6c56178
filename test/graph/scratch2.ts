import { builtInAgent } from '../../src/agent/agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { BaseCallbackHandler } from '@langchain/core/callbacks/base'
const h = BaseCallbackHandler.fromMethods({ handleLLMNewToken: async () => {} })
if (process.argv[2]) h.awaitHandlers = true
const g = builtInAgent(new OfflineModel({delay_ms: 0})).graph
for await (const c of await g.stream({ messages: [{ role: 'user', content: 'what is 2+3?' }] }, { streamMode: ['updates','messages'], subgraphs: true, callbacks: [h] })) console.log(c[1], JSON.stringify(c[2]).slice(0,100))
