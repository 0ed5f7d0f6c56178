// `npm run bench`: what the server costs over the same graph run in this process, as ratios of one run. A durable server
// (FULL sync) over sockets; its threads all count. docs/performance.md says what each line means.
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as cases from './cases.ts'
import { deltas } from './deltas.ts'
import type { Figure } from './measure.ts'
import { page } from './page-cases.ts'
import { peerTarget, postgresTarget, sqliteTarget, type Target } from './server.ts'
import { longThread, replay } from './thread-cases.ts'
import { workflows } from './workflow-cases.ts'

const CASES: Record<string, cases.Case> = {
  wait: cases.waiting,
  floor: cases.floor,
  first: cases.firstToken,
  cpu: cases.tokenCpu,
  flood: cases.flood,
  slow: cases.slowStreams,
  open: cases.openStreams,
  heap: cases.heapGrowth,
  thread: longThread,
  replay,
  deltas,
  workflows,
  page,
}
/** Of these, the ones that are measured on Postgres. */
const ON_POSTGRES = ['wait', 'floor', 'first', 'cpu', 'flood', 'slow', 'open', 'heap', 'thread', 'replay', 'workflows']
const ON_TWO = ['wait', 'floor', 'first', 'cpu', 'flood', 'slow', 'thread', 'replay']

const SIZES: cases.Sizes = {
  runs: 150,
  flood: 2000,
  clients: 50,
  tokens: 200,
  streams: 512,
  slow: 300,
  slow_tokens: 100,
  slow_rate: 50,
  open: 200,
  heap_runs: 2000,
  turns: 200,
  replay: 20_000,
  deltas: 100_000,
  items: 1_000,
  events: 10_000,
  page_seconds: 60,
}

const GOALS: cases.Goals = {
  'no-op wait p50': { of: 'ratio', most: 3 },
  'first token': { of: 'ratio', most: 1.5 },
  'CPU per token': { of: 'ratio', most: 2 },
  'runs per second': { of: 'ratio', least: 0.4 },
  'slow streams': { of: 'value', most: 1.2 },
  delay: { of: 'value', most: 10 },
  'open stream': { of: 'value', most: 40 },
  'heap growth': { of: 'value', most: 5 },
  turn: { of: 'value', most: 1.5 },
  disk: { of: 'value', most: 1.1 },
  replay: { of: 'value', least: 100_000 },
  deltas: { of: 'ratio', most: 2 },
  flat: { of: 'value', most: 1.5 },
  'page: longest task': { of: 'value', most: 100 },
  'page: longest task, CPU': { of: 'value', most: 100 },
  'page: heap growth': { of: 'value', most: 5 },
  'page: run opens': { of: 'value', most: 1_000 },
}
const postgresGoals = (processes: number): cases.Goals => ({
  'no-op wait p50': { of: 'ratio', most: 8 },
  'runs per second': { of: 'value', least: 90 * processes },
})

const HELP = `npm run bench -- [options]
  --only wait,flood   of: ${Object.keys(CASES).join(' ')}
  --postgres          on Postgres, too, with one and two processes
  --peer URL          another LangGraph server that serves bench/langgraph.json; --peer-pid N counts its CPU
  --json FILE         the figures as JSON, too
  --profile DIR       CPU profiles of the server; bench/profile.ts sums one up
  sizes: ${Object.entries(SIZES)
    .map(([name, size]) => `--${name} ${size}`)
    .join(' ')}`

const sizeOptions = Object.fromEntries(Object.keys(SIZES).map(name => [name, { type: 'string' as const }]))
const { values } = parseArgs({
  options: {
    ...sizeOptions,
    only: { type: 'string' },
    postgres: { type: 'boolean', default: false },
    peer: { type: 'string' },
    'peer-pid': { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const given = values as Record<string, unknown>
const sizes = Object.fromEntries(
  Object.entries(SIZES).map(([name, size]) => [name, Number(given[name] ?? size)]),
) as unknown as cases.Sizes
const only = typeof values.only === 'string' ? values.only.split(',') : Object.keys(CASES)
const profile = values.profile as string | undefined

// The in-process side needs a collection, too; npm runs us without the flag.
setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc')

const load_before = loadavg()
const started = performance.now()
const figures = await measure(() => sqliteTarget(profile), only, GOALS)
if (values.peer)
  figures.push(
    ...(await measure(async () => peerTarget(values.peer as string, values['peer-pid'] as string), only, {})),
  )
if (values.postgres) {
  const wanted = (names: string[]) => names.filter(name => only.includes(name))
  figures.push(...(await measure(() => postgresTarget(1, profile), wanted(ON_POSTGRES), postgresGoals(1))))
  figures.push(...(await measure(() => postgresTarget(2, profile), wanted(ON_TWO), postgresGoals(2))))
}

const about = {
  date: new Date().toISOString(),
  node: process.version,
  cores: availableParallelism(),
  cpu: cpus()[0]?.model,
  memory_gb: Math.round(totalmem() / 2 ** 30),
  load_before,
  load_after: loadavg(),
  seconds: Math.round((performance.now() - started) / 1000),
}
const { figure: _, ...columns } = {
  figure: '',
  target: '',
  value: 0,
  unit: '',
  in_process: 0,
  ratio: 0,
  goal: '',
  reached: true,
}
console.table(
  figures.map(({ figure, ...rest }) => ({ figure, ...rest })),
  ['figure', ...Object.keys(columns)],
)
console.log(about)
if (values.json) writeFileSync(values.json as string, `${JSON.stringify({ about, sizes, figures }, null, 2)}\n`)
process.exit(0)

async function measure(open: () => Promise<Target>, names: string[], goals: cases.Goals): Promise<Figure[]> {
  const figures: Figure[] = []
  if (names.length === 0) return figures
  const target = await open()
  try {
    for (const name of names) {
      const measured = CASES[name]
      if (!measured) throw new Error(`--only ${name}: of ${Object.keys(CASES).join(', ')}`)
      const from = performance.now()
      const found = await measured(target, sizes, goals)
      figures.push(...found)
      process.stderr.write(`${target.name}: ${name} (${((performance.now() - from) / 1000).toFixed(1)} s)\n`)
      for (const { figure, value, unit, ratio } of found) {
        process.stderr.write(`    ${figure}: ${value} ${unit}${ratio === undefined ? '' : `, ${ratio}× in process`}\n`)
      }
    }
  } finally {
    await target.stop()
  }
  return figures
}
