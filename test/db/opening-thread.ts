// One of several threads that open the same new files at the same moments; posts the errors.
import { parentPort, workerData } from 'node:worker_threads'
import { SqliteConnection } from '../../src/db/sqlite-connection.ts'

const { files, threads, arrived } = workerData as { files: string[]; threads: number; arrived: Int32Array }
const errors: string[] = []
for (const [index, file] of files.entries()) {
  Atomics.add(arrived, 0, 1)
  while (Atomics.load(arrived, 0) < (index + 1) * threads);
  try {
    new SqliteConnection(file, { sync: 'normal' }).close()
  } catch (error) {
    errors.push(String(error))
  }
}
parentPort?.postMessage(errors)
