// Lint: the JSON Schemas of nodes' output formats by the strict rules that providers apply (contracts: workflows §2.1).
import type { Json } from '../core/json.ts'
import { type Issue, Issues } from './issues.ts'

/** Strict schemas list every property as required and allow no others. Reads raw JSON of either kind of spec. */
export function lint(spec: Json): Issue[] {
  const issues = new Issues()
  if (!Array.isArray(spec?.nodes)) return []
  for (const [index, node] of (spec.nodes as Json[]).entries()) {
    const path = `$.nodes[${index}]`
    lintFormat(issues, node, path)
    lintFormat(issues, node?.subnode ?? node?.input?.subnode, `${path}.subnode`)
  }
  return issues.list
}

function lintFormat(issues: Issues, node: Json, path: string) {
  const own = node?.output_format
  const format = own ?? node?.input?.request?.output_format
  const at = own ? `${path}.output_format` : `${path}.input.request.output_format`
  const schema = format?.json_schema?.schema
  if (schema !== undefined) lintSchema(issues, schema, `${at}.json_schema.schema`)
}

function lintSchema(issues: Issues, schema: Json, path: string) {
  if (typeof schema !== 'object' || schema === null) return
  if (Array.isArray(schema)) {
    for (const [index, one] of schema.entries()) lintSchema(issues, one, `${path}[${index}]`)
    return
  }
  const { properties, required = [], additionalProperties } = schema
  if (properties && typeof properties === 'object') {
    if (additionalProperties !== false) {
      issues.add('ADDITIONAL_PROPERTIES', `${path}.additionalProperties`, 'must be false in a strict schema')
    }
    const missing = Object.keys(properties).filter(name => !required.includes?.(name))
    if (missing.length > 0) {
      issues.add('REQUIRED_PROPERTIES', `${path}.required`, `must list every property; missing: ${missing.join(', ')}`)
    }
    for (const [name, one] of Object.entries(properties)) lintSchema(issues, one, `${path}.properties.${name}`)
  }
  for (const key of ['items', 'anyOf', '$defs', 'definitions']) {
    const inner = schema[key]
    if (key === 'items' || key === 'anyOf') lintSchema(issues, inner, `${path}.${key}`)
    else for (const [name, one] of Object.entries(inner ?? {})) lintSchema(issues, one, `${path}.${key}.${name}`)
  }
}
