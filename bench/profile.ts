// `node bench/profile.ts FILE.cpuprofile…`: where the time of a profile went, by function and by package, self time.
import { readFileSync } from 'node:fs'

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  timeDeltas: number[]
}

for (const file of process.argv.slice(2)) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const functions = new Map<string, number>()
  const places = new Map<string, number>()
  let busy = 0
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id)
    if (!frame || frame.functionName === '(idle)') continue
    const ms = (timeDeltas[index] ?? 0) / 1000
    busy += ms
    const place = placeOf(frame.url) || frame.functionName
    add(places, place, ms)
    add(functions, `${frame.functionName || '(anonymous)'} ${frame.url.split('/').at(-1)}:${frame.lineNumber + 1}`, ms)
  }
  console.log(`${file}: ${Math.round(busy)} ms busy`)
  for (const table of [places, functions]) {
    const top = [...table].toSorted(([, a], [, b]) => b - a).slice(0, 22)
    console.log(top.map(([name, ms]) => `  ${((ms / busy) * 100).toFixed(1).padStart(5)} %  ${name}`).join('\n'))
  }
}

function placeOf(url: string): string {
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? []
  return name ?? /\/((?:src|bench)\/[^/]+)/.exec(url)?.[1] ?? (url.startsWith('node:') ? 'node' : url)
}

function add(table: Map<string, number>, name: string, ms: number) {
  table.set(name, (table.get(name) ?? 0) + ms)
}
