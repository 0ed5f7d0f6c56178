// From a TypeScript type to a JSON schema, with TypeScript's own checker. What JSON has no form for is anything (`{}`).
import type { Checker, Symbol as Member, Type, TypeReference } from 'typescript/unstable/async'

export type TypeScript = typeof import('typescript/unstable/async')

export type JsonSchema = Record<string, unknown>

/** Objects in objects are followed this deep. */
const DEPTH = 6

/** The ids of the types that one is inside of. */
type Above = readonly number[]

/** Says what a type of one program looks like. */
export class TypeDescriber {
  readonly #ts: TypeScript
  readonly #checker: Checker

  constructor(ts: TypeScript, checker: Checker) {
    this.#ts = ts
    this.#checker = checker
  }

  /** The members of an object type; null for every other type. */
  async object(type: Type): Promise<JsonSchema | null> {
    if (!(type.flags & (this.#ts.TypeFlags.Object | this.#ts.TypeFlags.Intersection))) return null
    const { type: kind, ...schema } = await this.#members(type, [])
    return kind === 'object' ? { type: kind, ...schema } : null
  }

  async #describe(type: Type, above: Above): Promise<JsonSchema> {
    const { TypeFlags } = this.#ts
    const { flags } = type
    if (flags & TypeFlags.StringLiteral || flags & TypeFlags.NumberLiteral || flags & TypeFlags.BooleanLiteral) {
      return { const: type.isLiteralType() ? type.value : JSON.parse(await this.#checker.typeToString(type)) }
    }
    if (flags & (TypeFlags.String | TypeFlags.TemplateLiteral | TypeFlags.StringMapping)) return { type: 'string' }
    if (flags & TypeFlags.Number) return { type: 'number' }
    if (flags & TypeFlags.Boolean) return { type: 'boolean' }
    if (flags & TypeFlags.Null) return { type: 'null' }
    if (type.isUnionType()) return this.#union(await type.getTypes(), above)
    if (flags & (TypeFlags.Object | TypeFlags.Intersection)) return this.#structure(type, above)
    return {}
  }

  async #union(types: readonly Type[], above: Above): Promise<JsonSchema> {
    const { TypeFlags } = this.#ts
    const described: JsonSchema[] = []
    for (const type of types) {
      if (type.flags & (TypeFlags.Undefined | TypeFlags.Void)) continue
      if ((await this.#nameOf(type)) === 'OverwriteValue') continue // LangGraph's, around every reduced channel
      described.push(await this.#describe(type, above))
    }
    const constants = described.flatMap(schema => ('const' in schema ? [schema.const] : [])).sort()
    const others = described.filter(schema => !('const' in schema))
    const isBoolean = constants.includes(true) && constants.includes(false)
    const values = isBoolean ? constants.filter(value => typeof value !== 'boolean') : constants
    if (isBoolean) others.push({ type: 'boolean' })
    if (values.length > 0) others.unshift(values.length === 1 ? { const: values[0] } : { enum: values })
    const distinct = [...new Map(others.map(schema => [JSON.stringify(schema), schema])).values()]
    if (distinct.some(schema => Object.keys(schema).length === 0)) return {}
    return distinct.length > 1 ? { anyOf: distinct } : (distinct[0] ?? {})
  }

  async #structure(type: Type, above: Above): Promise<JsonSchema> {
    const checker = this.#checker
    if (await checker.isArrayType(type)) {
      const [item] = await checker.getTypeArguments(type as TypeReference)
      return { type: 'array', ...(item && { items: await this.#describe(item, above) }) }
    }
    if (await checker.isTupleType(type)) {
      const items = []
      for (const item of await checker.getTypeArguments(type as TypeReference))
        items.push(await this.#describe(item, above))
      return { type: 'array', prefixItems: items }
    }
    const name = await this.#nameOf(type)
    if (name === 'Date') return { type: 'string', format: 'date-time' }
    if ((await checker.getSignaturesOfType(type, this.#ts.SignatureKind.Call)).length > 0) return {}
    const isKnown = above.includes(type.id) || above.length > DEPTH || (await this.#isClass(type))
    return isKnown ? { type: 'object', ...(name && { title: name }) } : this.#members(type, above)
  }

  async #members(type: Type, above: Above): Promise<JsonSchema> {
    const within = [...above, type.id]
    const properties: Record<string, JsonSchema> = {}
    const required: string[] = []
    for (const member of await this.#checker.getPropertiesOfType(type)) {
      if (member.escapedName.startsWith('__@')) continue // a symbol
      const optional = (member.flags & this.#ts.SymbolFlags.Optional) !== 0
      properties[member.name] = await this.#member(member, within)
      if (!optional) required.push(member.name)
    }
    const [index] = await this.#checker.getIndexInfosOfType(type)
    return {
      type: 'object',
      ...(Object.keys(properties).length > 0 && { properties }),
      ...(required.length > 0 && { required }),
      ...(index && { additionalProperties: await this.#describe(index.valueType, within) }),
    }
  }

  async #member(member: Member, above: Above): Promise<JsonSchema> {
    const type = await this.#checker.getTypeOfSymbol(member)
    const description = await member.getDocumentationComment(this.#checker)
    return { ...(type && (await this.#describe(type, above))), ...(description && { description }) }
  }

  async #nameOf(type: Type): Promise<string | undefined> {
    return ((await type.getAliasSymbol()) ?? (await type.getSymbol()))?.name
  }

  /** Classes are described by their name: what is stored of one is for its own code to say. */
  async #isClass(type: Type): Promise<boolean> {
    const symbol = await type.getSymbol()
    return symbol !== undefined && (symbol.flags & this.#ts.SymbolFlags.Class) !== 0
  }
}
