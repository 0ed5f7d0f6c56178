// The process that reads schemas from types: it is asked for one export, answers and ends. It leads a process group, and when
// whoever asked goes, it takes the checker with it: that one would wait for ever.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { TypeDescriber, type TypeScript } from './type-json-schema.ts'
import { SCHEMAS, type TypedExport, type TypeSchemas } from './type-schemas.ts'

const NOTHING: TypeSchemas = { Input: null, Output: null, State: null, Config: null }

process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'))
process.once('message', async (source: TypedExport) => {
  const schemas = await schemasOf(source).catch((error: Error) => ({ error: error.message }))
  process.send?.(schemas ?? null, () => process.disconnect())
})

async function schemasOf({ file, export: name }: TypedExport): Promise<TypeSchemas | undefined> {
  const ts = await typescriptFor(file)
  if (!ts) return undefined
  const folder = dirname(file)
  const probe = join(folder, '.runloom-types.ts')
  const config = join(folder, '.runloom-types.json')
  const texts: Record<string, string> = { [probe]: probeOf(file, name), [config]: configOf(file) }
  const api = new ts.API({
    cwd: folder,
    fs: { readFile: path => texts[path], fileExists: path => path in texts || undefined },
  })
  try {
    const project = (await api.updateSnapshot({ openProjects: [config] })).getProject(config)
    const module = await project?.program.getSourceFile(probe)
    const symbol = module && (await project?.checker.getSymbolAtLocation(module))
    if (!project || !symbol) return undefined
    const { checker } = project
    const describer = new TypeDescriber(ts, checker)
    const found = { ...NOTHING }
    for (const exported of await checker.getExportsOfModule(symbol)) {
      const schema = SCHEMAS.find(schema => schema === exported.name)
      if (schema) found[schema] = await describer.object(await checker.getDeclaredTypeOfSymbol(exported))
    }
    return found
  } finally {
    await api.close()
  }
}

/** TypeScript 7 as the graph's project has it, or as this package has it. */
async function typescriptFor(file: string): Promise<TypeScript | undefined> {
  for (const from of [file, import.meta.filename]) {
    try {
      const path = createRequire(from).resolve('typescript/unstable/async')
      return (await import(pathToFileURL(path).href)) as TypeScript
    } catch {} // another version, or none
  }
  return undefined
}

/** A module that exists only for the checker: what is in a graph, by names that are the same for every graph. */
function probeOf(file: string, name: string): string {
  return `
import type { StateType, UpdateType } from '@langchain/langgraph'
import type * as file from './${basename(file)}'
type Made<T> = T extends (...args: never[]) => infer R ? Awaited<R> : Awaited<T>
type Compiled<T> = T extends { compile(...args: never[]): infer C } ? C : T extends { graph: infer G } ? G : T
type Graph = Compiled<Made<(typeof file)[${JSON.stringify(name)}]>>
type Builder = Graph extends { builder: infer B } ? B : {}
export type Input = Builder extends { _inputDefinition: infer D }
  ? UpdateType<D> : Graph extends { '~InputType': infer I } ? I : never
export type Output = Builder extends { _outputDefinition: infer D }
  ? StateType<D> : Graph extends { '~OutputType': infer O } ? Awaited<O> : never
export type State = Graph extends { '~OutputType': infer O } ? Awaited<O> : never
export type Config = Builder extends { _configSchema: infer D } ? StateType<Exclude<D, undefined>> : never
`
}

/** The options of the project that the file is in, as far as they say what its types are. */
function configOf(file: string): string {
  let folder = dirname(file)
  while (!existsSync(join(folder, 'tsconfig.json')) && dirname(folder) !== folder) folder = dirname(folder)
  const base = join(folder, 'tsconfig.json')
  const plain = { strict: true, module: 'nodenext', target: 'es2024' }
  const own = {
    noEmit: true,
    allowImportingTsExtensions: true,
    composite: false,
    incremental: false,
    skipLibCheck: true,
  }
  return JSON.stringify({
    ...(existsSync(base) && { extends: base }),
    compilerOptions: { ...(!existsSync(base) && plain), ...own },
    include: [],
    files: ['./.runloom-types.ts'],
  })
}
