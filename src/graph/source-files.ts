// The user's modules, loaded as they are: Node removes the types, this adds what projects written for a bundler expect.
// The hooks concern only files that a graph file leads to outside of node_modules; everything else resolves as ever.
import { readFileSync } from 'node:fs'
import {
  createRequire,
  type LoadHookSync,
  type ModuleHooks,
  type ResolveHookContext,
  type ResolveHookSync,
  registerHooks,
  stripTypeScriptTypes,
} from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Syntax that has meaning at run time: enums, namespaces, `import a = …`, parameter properties. */
const MORE_THAN_TYPES =
  /\b(?:enum|namespace|module)\s+[\w$.]+\s*\{|\bimport\s+[\w$]+\s*=|\bconstructor\s*\([^)]*\b(?:public|private|protected|readonly|override)\s/

/** A file with such a line is a module, also where no package.json says so; Node would find out with a warning. */
const MODULE_SYNTAX = /^\s*(?:import\s*[\w{*'"]|export\s)/m

/** What a relative specifier may stand for when no such file exists, as TypeScript resolves it. */
const SPELLINGS: [written: RegExp, meant: string[]][] = [
  [/\.js$/, ['.ts', '.tsx']],
  [/\.mjs$/, ['.mts']],
  [/\.cjs$/, ['.cts']],
  [/$/, ['.ts', '.js', '.mts', '.mjs', '/index.ts', '/index.js']],
]

export class SourceFiles {
  readonly #urls = new Set<string>()
  readonly #hooks: ModuleHooks

  constructor() {
    this.#hooks = registerHooks({ resolve: this.#resolve, load: this.#load })
  }

  /** Imports a file; everything it imports is the user's too. */
  import(file: string): Promise<Record<string, unknown>> {
    const url = pathToFileURL(file).href
    this.#urls.add(url)
    return import(url)
  }

  /** Imports what a configuration in `folder` names: a file by a relative or absolute path, else a package. */
  importFrom(folder: string, specifier: string): Promise<Record<string, unknown>> {
    if (!isPackage(specifier)) return this.import(resolve(folder, specifier))
    try {
      return import(pathToFileURL(createRequire(join(folder, 'package.json')).resolve(specifier)).href)
    } catch {
      return import(specifier)
    }
  }

  /** Every file that was asked for so far, those that failed included. */
  paths(): string[] {
    return [...this.#urls].map(url => fileURLToPath(url))
  }

  /** Modules that are loaded stay; later imports resolve as Node does. */
  close(): void {
    this.#hooks.deregister()
  }

  readonly #resolve: ResolveHookSync = (specifier, context, next) => {
    if (!context.parentURL || !this.#urls.has(context.parentURL)) return next(specifier, context)
    const found = firstThatResolves(
      () => next(specifier, context),
      ...alternatives(specifier).map(spelling => () => next(spelling, context)),
      // A folder without node_modules finds the packages that Runloom itself has.
      ...(isPackage(specifier) ? [() => ours(specifier, context, next)] : []),
    )
    if (found.url.startsWith('file:') && !found.url.includes('/node_modules/')) this.#urls.add(found.url)
    return found
  }

  readonly #load: LoadHookSync = (url, context, next) => {
    if (!this.#urls.has(url) || !/\.[cm]?[jt]s$/.test(url)) return next(url, context)
    const text = readFileSync(fileURLToPath(url), 'utf8')
    const format = context.format ?? moduleFormat(url, text)
    if (!format?.endsWith('-typescript') || !MORE_THAN_TYPES.test(text)) return next(url, { ...context, format })
    const source = stripTypeScriptTypes(text, { mode: 'transform', sourceUrl: url })
    return { format: format.replace('-typescript', ''), source, shortCircuit: true }
  }
}

function moduleFormat(url: string, text: string): string | undefined {
  if (!MODULE_SYNTAX.test(text)) return undefined
  return url.endsWith('.ts') ? 'module-typescript' : 'module'
}

/** The package as Runloom would get it. Node's CommonJS resolution looks at no other parent than the one it started with. */
function ours(specifier: string, context: ResolveHookContext, next: Parameters<ResolveHookSync>[2]) {
  if (!context.conditions.includes('require')) return next(specifier, { ...context, parentURL: import.meta.url })
  return { url: pathToFileURL(createRequire(import.meta.url).resolve(specifier)).href, shortCircuit: true }
}

function alternatives(specifier: string): string[] {
  if (!/^\.{0,2}\//.test(specifier)) return []
  return SPELLINGS.flatMap(([written, meant]) =>
    written.test(specifier) ? meant.map(ending => specifier.replace(written, ending)) : [],
  )
}

function isPackage(specifier: string): boolean {
  return !/^(\.{0,2}\/|#|[a-z]+:)/.test(specifier)
}

/** The first result; when all fail, the error of the first. */
function firstThatResolves<T>(attempt: () => T, ...others: (() => T)[]): T {
  try {
    return attempt()
  } catch (error) {
    for (const other of others) {
      try {
        return other()
      } catch {}
    }
    throw error
  }
}
