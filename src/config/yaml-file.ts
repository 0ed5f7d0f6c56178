// runloom.yaml as text: what it says, where it says it, and the variables that it mentions.
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLParseError,
} from 'yaml'
import { ConfigError } from './config-error.ts'
import { type Fault, faultText } from './issues.ts'

/** `$NAME`, `${NAME}`, or `$$` for a dollar. A dollar before anything else is one. */
const VARIABLE = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/g

export class YamlFile {
  readonly name: string
  /** A key without a value counts as not given. */
  readonly content: Record<string, unknown>
  readonly #document: Document
  readonly #lines = new LineCounter()

  /** Throws a ConfigError with line and column where the text is no YAML. */
  constructor(text: string, name: string) {
    this.name = name
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, stringKeys: true })
    const [error] = this.#document.errors
    if (error) throw new ConfigError(`${this.#at(error.pos[0])}: ${inWords(error)}`)
    const content = this.#read()
    if (typeof content !== 'object' || Array.isArray(content)) {
      throw new ConfigError(`${this.#at(0)}: use keys with values, like "models:"; runloom init writes an example`)
    }
    this.content = content as Record<string, unknown>
  }

  /** All faults in their order, a line each: `runloom.yaml:12:5: models.0.provider: …`. */
  error(faults: readonly Fault[]): ConfigError {
    const inOrder = faults.toSorted((a, b) => this.#offset(a.path) - this.#offset(b.path))
    return new ConfigError(inOrder.map(fault => `${this.place(fault.path)}: ${faultText(fault)}`).join('\n'))
  }

  /** Where a key stands, or the nearest of the keys around it: `runloom.yaml:12:5`. */
  place(path: readonly PropertyKey[]): string {
    return this.#at(this.#offset(path))
  }

  #offset(path: readonly PropertyKey[]): number {
    let node = this.#document.contents as Node | null
    let offset = node?.range?.[0] ?? 0
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(this.#document) ?? null
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
        if (!pair) break
        offset = (pair.key as Node).range?.[0] ?? offset
        node = pair.value as Node | null
      } else if (isSeq(node) && typeof step === 'number') {
        node = (node.items[step] ?? null) as Node | null
        offset = node?.range?.[0] ?? offset
      } else break
    }
    return offset
  }

  /** A part of the content with its variables filled in. Throws a ConfigError that names those that are not set. */
  filled(value: unknown, path: readonly PropertyKey[], env: NodeJS.ProcessEnv): unknown {
    const faults: Fault[] = []
    const result = fill(value, path, (text, place, needed) =>
      text.replace(VARIABLE, (_, dollar?: string, bare?: string, braced?: string) => {
        if (dollar) return dollar
        const variable = bare ?? braced ?? ''
        const found = env[variable]
        if (!found && needed) {
          const message = `the variable ${variable} is not set; set it, or write $$ for a dollar`
          faults.push({ path: place, message })
        }
        return found ?? ''
      }),
    )
    if (faults.length > 0) throw this.error(faults)
    return result
  }

  #read(): unknown {
    try {
      return withoutNull(this.#document.toJS() ?? {})
    } catch (cause) {
      const endless = cause instanceof RangeError
      const message = endless ? 'an alias (*) stands inside of what it means' : (cause as Error).message
      throw new ConfigError(`${this.name}: ${message}`, { cause })
    }
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.name}:${line || 1}:${col || 1}`
  }
}

function inWords({ code, message }: YAMLParseError): string {
  return code === 'MULTIPLE_DOCS' ? 'a second document begins (---); keep one' : message
}

type Replace = (text: string, path: readonly PropertyKey[], needed: boolean) => string

/** What is switched off needs no variables. */
function fill(value: unknown, path: readonly PropertyKey[], replace: Replace, needed = true): unknown {
  if (typeof value === 'string') return replace(value, path, needed)
  if (Array.isArray(value)) return value.map((part, index) => fill(part, [...path, index], replace, needed))
  if (typeof value !== 'object' || value === null) return value
  const used = needed && (value as { enabled?: unknown }).enabled !== false
  const parts = Object.entries(value).map(([key, part]) => [key, fill(part, [...path, key], replace, used)])
  return Object.fromEntries(parts)
}

function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull)
  if (typeof value !== 'object' || value === null) return value
  const given = Object.entries(value).filter(([, part]) => part !== null)
  return Object.fromEntries(given.map(([key, part]) => [key, withoutNull(part)]))
}
