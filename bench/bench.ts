// `npm run bench`: what the server costs over the same graph run in this process, as ratios of one run. SQLite, FULL sync,
// over a socket, with the official SDK. `npm run bench -- --runs 200` for more.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { MemorySaver } from '@langchain/langgraph'
import { Client } from '@langchain/langgraph-sdk'
import { noop, TOKENS, tokens } from './graphs.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '100' } } })
const RUNS = Number(values.runs)
const INPUT = { messages: [{ role: 'user', content: 'go' }] }

const checkpointer = new MemorySaver()
const local = { noop: noop.compile({ checkpointer }), tokens: tokens.compile({ checkpointer }) }
const server = await startServer()
const client = new Client({ apiUrl: server.url })

const rows = [
  await compare(
    'no-op wait',
    'ms',
    () => client.runs.wait(null, 'noop', { input: INPUT }),
    () => invoke('noop'),
  ),
  await compare(
    'first token',
    'ms',
    () => firstToken(remoteTokens()),
    () => firstToken(localTokens()),
  ),
  await compare(
    `${TOKENS} tokens streamed`,
    'ms',
    () => drain(remoteTokens()),
    () => drain(localTokens()),
  ),
]
console.table(Object.fromEntries(rows))
server.stop()

/** Alternates server and local, so that both see the same machine; reports medians and their ratio. */
async function compare(name: string, unit: string, remote: () => Promise<unknown>, here: () => Promise<unknown>) {
  const times = { remote: [] as number[], here: [] as number[] }
  for (let index = -RUNS / 10; index < RUNS; index++) {
    const [a, b] = [await timed(remote), await timed(here)]
    if (index >= 0) {
      times.remote.push(a)
      times.here.push(b)
    }
  }
  const [p50, p99, local50] = [quantile(times.remote, 0.5), quantile(times.remote, 0.99), quantile(times.here, 0.5)]
  return [
    name,
    {
      unit,
      'server p50': round(p50),
      'server p99': round(p99),
      'in process p50': round(local50),
      ratio: round(p50 / local50),
    },
  ]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  const given = await work()
  return typeof given === 'number' ? given : performance.now() - from
}

function invoke(graph: keyof typeof local) {
  return local[graph].invoke(INPUT, { configurable: { thread_id: crypto.randomUUID() } })
}

function remoteTokens() {
  return client.runs.stream(null, 'tokens', { input: INPUT, streamMode: 'messages-tuple' })
}

async function* localTokens() {
  const configurable = { thread_id: crypto.randomUUID() }
  for await (const chunk of await local.tokens.stream(INPUT, { configurable, streamMode: 'messages' })) {
    yield { event: 'messages', data: JSON.stringify(chunk) }
  }
}

/** Milliseconds until the first token; the rest is read, too. */
async function firstToken(stream: AsyncIterable<{ event: string }>): Promise<number> {
  const from = performance.now()
  let first: number | undefined
  for await (const { event } of stream) if (event === 'messages') first ??= performance.now() - from
  return first ?? Number.NaN
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

function quantile(numbers: number[], q: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] as number
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

async function startServer(): Promise<{ url: string; stop: () => void }> {
  const data = mkdtempSync(join(tmpdir(), 'runloom-bench-'))
  const args = ['src/cli.ts', 'serve', '--port', '0', '--data', data, '--config', 'bench/langgraph.json']
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const stop = () => {
    child.once('exit', () => rmSync(data, { recursive: true, force: true }))
    child.kill('SIGTERM')
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /listening on (\S+)$/.exec(line) ?? []
    if (url) return { url, stop }
  }
  throw new Error('the server did not start')
}
