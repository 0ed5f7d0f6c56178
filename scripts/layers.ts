// The directions of the layers (docs/architecture.md), read from the import statements of src/, and the other rules about
// the shape of the source that no type can state. To allow something new, change the tables and say why in
// docs/decisions.md.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, resolve } from 'node:path'

const embedded = ['protocol', 'events', 'core', 'config.ts', 'runtime.ts']

/**
 * What each layer may import of ours, besides itself. A layer is a folder or a file of src/; where a file is listed as
 * well as its folder, the file's entry counts.
 */
const directions: Record<string, readonly string[]> = {
  protocol: [],
  db: [],
  events: ['db'],
  core: ['protocol', 'db', 'events'],
  graph: ['protocol', 'db', 'events', 'core'],
  workflow: ['protocol', 'db', 'events', 'core'],
  agent: ['protocol', 'db', 'events', 'core'],
  http: ['protocol', 'db', 'events', 'core', 'graph', 'workflow', 'agent', 'config.ts'],
  'config.ts': ['protocol', 'config'],
  config: ['protocol'],
  'runtime.ts': ['protocol', 'db', 'events', 'core', 'graph', 'workflow', 'agent', 'http', 'config.ts'],
  client: ['protocol'],
  // The embedded client calls the engine directly; the others must run where only fetch does.
  'client/embedded.ts': embedded,
  'client/embedded-engine.ts': embedded,
  'client/embedded-resources.ts': embedded,
  'client/embedded-run.ts': embedded,
  cli: ['protocol', 'db', 'events', 'core', 'graph', 'workflow', 'agent', 'http', 'config.ts', 'runtime.ts', 'client'],
  'bin.ts': ['cli.ts'],
  'cli.ts': ['cli', 'config.ts'],
  'index.ts': [
    'protocol',
    'db',
    'events',
    'core',
    'graph',
    'workflow',
    'agent',
    'http',
    'config.ts',
    'runtime.ts',
    'client',
  ],
}

/** Imports that are allowed as `import type` only: from → to. */
const typesOnly: Record<string, readonly string[]> = { http: ['config.ts'] }

/** Which layers may name a third party (a package, a scope ending in `/`, or a built-in module). The rest is free. */
const contained: Record<string, readonly string[]> = {
  hono: ['http', 'client', 'runtime.ts', 'cli'],
  '@hono/': ['http', 'client', 'runtime.ts', 'cli'],
  '@langchain/langgraph-sdk': ['graph', 'agent', 'workflow', 'client'],
  '@langchain/': ['graph', 'agent', 'workflow'],
  langchain: ['graph', 'agent', 'workflow'],
  '@modelcontextprotocol/': ['agent'],
  yauzl: ['core'],
  pg: ['db'],
  'node:sqlite': ['db'],
  'sqlite-vec': ['db'],
  croner: ['core'],
  yaml: ['config', 'core'],
  ioredis: ['events'],
  'node:process': ['config.ts', 'cli'],
}

/** Layers that may import nothing but these packages, not even built-in modules: they run in browsers, too. */
const confined: Record<string, readonly string[]> = { protocol: ['zod'], client: ['zod'] }

/** Who may say `process.env`: config.ts reads it, cli hands it over. */
const environment = ['config.ts', 'cli.ts', 'cli']

const max_lines = 400

const vagueWords = /^(utils?|helpers?|managers?|services?|impl|base|processors?)$/
const vagueNames = /^(types?|constants?|interfaces?)$/

/** Everything in `src` that breaks a rule, as `file:line what, and what is allowed`. Paths are relative to `from`. */
export function violations(src: string, from = resolve(src, '..')): string[] {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map(file => file.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.ts') || file.endsWith('.tsx'))
    .sort()
  return files.flatMap(file => {
    const source = readFileSync(join(src, file), 'utf8')
    const name = relative(from, join(src, file)).replaceAll('\\', '/')
    const problems = [...namesOf(file), ...textOf(file, source), ...importsOf(file, source)]
    return problems.sort((a, b) => a.line - b.line).map(({ line, says }) => `${name}:${line} ${says}`)
  })
}

interface Problem {
  readonly line: number
  readonly says: string
}

function namesOf(file: string): Problem[] {
  const problems: Problem[] = []
  const parts = file.replace(/\.tsx?$/, '').split('/')
  const vague = parts.find(part => vagueNames.test(part) || part.split('-').some(word => vagueWords.test(word)))
  if (vague) problems.push({ line: 1, says: `is named "${vague}"; name a file or folder after the noun it owns` })
  if (file.endsWith('/index.ts')) problems.push({ line: 1, says: 'is a barrel; only src/index.ts may be one' })
  if (!(layerOf(file) in directions))
    problems.push({ line: 1, says: `is in no known layer; the layers are ${Object.keys(directions).join(', ')}` })
  return problems
}

function textOf(file: string, source: string): Problem[] {
  const problems: Problem[] = []
  const lines = source.trimEnd().split('\n').length
  if (lines > max_lines) problems.push({ line: lines, says: `is ${lines} lines long; ${max_lines} are allowed` })
  for (const match of source.matchAll(/\b(TODO|FIXME|XXX)\b/g))
    problems.push({ line: lineAt(source, match.index), says: `says ${match[0]}; do it, or open an issue` })
  if (!environment.includes(layerOf(file)))
    for (const match of code(source).matchAll(/\bprocess\s*\??\.\s*env\b/g))
      problems.push({
        line: lineAt(source, match.index),
        says: `reads process.env; only ${environment.join(' and ')} may`,
      })
  return problems
}

// `import … from`, `export … from`, `import '…'`, and `import('…')`, which is also how a type is imported in place.
const statements =
  /(?<=^|[;{}\n])\s*(?:import|export)\b(?<type>\s+type\b)?(?:[\w\s{},*$]*?\bfrom)?\s*(?<quote>['"])(?<to>[^'"\n]+)\k<quote>|\b(?:import|require)\s*\(\s*(?<quote2>['"])(?<to2>[^'"\n]+)\k<quote2>/g

function importsOf(file: string, source: string): Problem[] {
  const layer = layerOf(file)
  const problems: Problem[] = []
  for (const match of code(source, 'strings').matchAll(statements)) {
    const to = match.groups?.to ?? match.groups?.to2 ?? ''
    const line = lineAt(source, match.index + match[0].length)
    const says = to.startsWith('.') ? ownImport(file, layer, to, !!match.groups?.type) : thirdParty(layer, to)
    if (says) problems.push({ line, says })
  }
  return problems
}

function ownImport(file: string, layer: string, to: string, isType: boolean): string | undefined {
  const target = posix.join(posix.dirname(file), to)
  const targetLayer = layerOf(target)
  if (folderOf(targetLayer) === folderOf(layer)) {
    const same = targetLayer === layer || layer !== folderOf(layer) || !confined[layer]
    return same ? undefined : `imports src/${target}, which is not for where ${layer} runs`
  }
  const allowed = directions[layer] ?? []
  if (!allowed.some(one => one === targetLayer || one === folderOf(targetLayer)))
    return `imports ${target.startsWith('..') ? to : `src/${target}`}; ${layer} may import ${listed(allowed)}`
  if (!isType && typesOnly[layer]?.includes(targetLayer))
    return `imports src/${target}; ${layer} may only \`import type\` from it`
  return undefined
}

function thirdParty(layer: string, to: string): string | undefined {
  const only = confined[layer]
  if (only && !only.some(name => to === name || to.startsWith(`${name}/`)))
    return `imports ${to}; ${layer} may import ${listed(only)}`
  const rule = Object.keys(contained).find(name => to === name || to.startsWith(name.endsWith('/') ? name : `${name}/`))
  const allowed = rule === undefined ? undefined : contained[rule]
  if (!allowed || allowed.includes(layer) || allowed.includes(folderOf(layer))) return undefined
  return `imports ${to}; only ${listed(allowed)} may`
}

function layerOf(file: string): string {
  return file in directions ? file : folderOf(file)
}

function folderOf(file: string): string {
  return file.split('/')[0] ?? file
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing of ours' : names.join(', ')
}

function lineAt(source: string, index: number): number {
  return source.slice(0, index).split('\n').length
}

// Comments, strings, templates, and regular expressions (a `/` where no division can be). A template inside a template's
// hole is read inside out, which at worst shows its text.
const literals =
  /\/\/.*|\/\*[\s\S]*?\*\/|(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|`(?:\\.|[^`\\])*`|(?<=[(,=:[!&|?{};+>]\s*|\breturn\s+)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//g

/** The source with all text that is not code blanked, at unchanged positions; strings in quotes may be kept. */
function code(source: string, keep?: 'strings'): string {
  return source.replace(literals, (literal, string: string | undefined) => {
    if (string && keep === 'strings') return literal
    const holes = literal.startsWith('`') ? [...literal.matchAll(/\$\{[^}]*\}/g)] : []
    const blank = [...literal.replace(/[^\n]/g, ' ')]
    for (const hole of holes) blank.splice(hole.index, hole[0].length, ...hole[0])
    return blank.join('')
  })
}

if (import.meta.main) {
  const found = violations(resolve(import.meta.dirname, '../src'))
  for (const line of found) console.error(line)
  if (found.length > 0) process.exitCode = 1
}
