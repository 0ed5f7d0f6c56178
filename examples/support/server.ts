// The server that an example starts, kills, and starts again.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** `runloom serve` on a port (0: a free one) and a folder of its own. Rejects when the server ends before it listens. */
export function startServer(port: number, data: string): Promise<{ child: ChildProcess; url: string }> {
  const args = [join(import.meta.dirname, '../../src/cli.ts'), 'serve', '--port', String(port), '--data', data]
  const child = spawn(process.execPath, args, { cwd: data, stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', line => {
      const [, url] = /listening on (\S+)$/.exec(line) ?? []
      if (url) resolve({ child, url })
    })
  })
}
