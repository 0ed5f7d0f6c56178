// The command line for tests: real processes in folders of their own, which end with the test file.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { temporaryFolder } from './server.ts'

const CLI = join(import.meta.dirname, '../../src/cli.ts')

export function commandLine() {
  const folder = temporaryFolder()
  const started: ChildProcess[] = []
  let folders = 0
  after(() => {
    for (const child of started) child.kill('SIGKILL')
    folder.remove()
  })

  const emptyFolder = (): string => {
    const path = join(folder.path, String(folders++))
    mkdirSync(path)
    return path
  }

  /** Runs `runloom` in a folder. */
  const run = (cwd: string, args: string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    started.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
    const exited = new Promise<number | null>(resolve => child.once('close', resolve))
    const url = () =>
      new Promise<string>((resolve, reject) => {
        const look = () => {
          const [, found] = /^Runloom listening on (\S+)$/m.exec(output) ?? []
          if (found) resolve(found)
        }
        child.stdout.on('data', look)
        look()
        void exited.then(code => reject(new Error(`ended with ${code}: ${output}`)))
      })
    const signal = (name: NodeJS.Signals) => void child.kill(name)
    const stop = () => {
      signal('SIGTERM')
      return exited
    }
    return { output: () => output, exited, url, signal, stop }
  }

  return { emptyFolder, run }
}
