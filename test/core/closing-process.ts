// A process that works for a while and closes everything. That it ends then is what worker-close.test.ts looks at.
import { Executions } from './executors.ts'
import { openCore, readAll, startWorker } from './harness.ts'

const core = await openCore(process.argv[2] as string)
const executions = new Executions()
const worker = startWorker(core, executions.executor)
const ended = await worker.start()
const reading = readAll(worker.log, ended.run_id)
const first = await executions.nth(1)
first.end()
await reading
await worker.start()
await executions.nth(2)
await worker.close()
await core.close()
console.log('closed')
