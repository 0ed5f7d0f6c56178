// What a graph looks like from outside: its drawing, the JSON schemas of its state, its subgraphs. All of it is read off the
// compiled graph in milliseconds; what TypeScript types alone say comes from type-schemas.ts, once it is known.
import { META_EXTRAS_DESCRIPTION_PREFIX, type SchemaMetaRegistry } from '@langchain/langgraph/zod'
import {
  getConfigTypeSchema,
  getInputTypeSchema,
  getOutputTypeSchema,
  getStateTypeSchema,
} from '@langchain/langgraph/zod/schema'
import { z } from 'zod'
import type { Json } from '../core/json.ts'
import type { CompiledGraph } from './load.ts'
import type { TypeSchemas } from './type-schemas.ts'

type JsonSchema = Record<string, unknown>

export interface Drawing {
  nodes: { id: string | number; type?: string; data?: unknown; metadata?: unknown }[]
  edges: { source: string | number; target: string | number; data?: string; conditional?: boolean }[]
}

/** Nodes and edges. With `xray`, subgraphs are drawn as their own nodes: all, or a number of levels deep. */
export async function drawable(graph: CompiledGraph, xray: boolean | number | undefined): Promise<Drawing> {
  const options: object = { xray: xray ?? false }
  return (await graph.getGraphAsync(options)).toJSON() as unknown as Drawing
}

/** Null where the graph says nothing of a schema. Config and context are one thing in LangGraph.js. */
export interface GraphSchemas {
  graph_id: string
  input_schema: JsonSchema | null
  output_schema: JsonSchema | null
  state_schema: JsonSchema | null
  config_schema: JsonSchema | null
  context_schema: JsonSchema | null
}

export function schemas(graph_id: string, graph: CompiledGraph, types?: TypeSchemas): GraphSchemas {
  const { builder = {}, _metaRegistry: registry }: Json = graph
  const state = builder._schemaRuntimeDefinition
  // A graph that names no input of its own takes parts of its state; a symbol says so.
  const input = typeof builder._inputRuntimeDefinition === 'symbol' ? state : builder._inputRuntimeDefinition
  const derive = (schemaOf: SchemaOf, definition: unknown, effects: Effects = {}) =>
    strictly(() => schemaOf(graph, registry)) ?? leniently(registry, definition, effects)
  const config =
    derive(getConfigTypeSchema, builder._configRuntimeSchema) ?? fromTypes(builder._configSchema, types?.Config)
  return {
    graph_id,
    input_schema: derive(getInputTypeSchema, input, INPUT) ?? fromTypes(builder._inputDefinition, types?.Input),
    output_schema:
      derive(getOutputTypeSchema, builder._outputRuntimeDefinition) ??
      fromTypes(builder._outputDefinition, types?.Output),
    state_schema: derive(getStateTypeSchema, state) ?? fromTypes(builder._schemaDefinition, types?.State),
    config_schema: config,
    context_schema: config,
  }
}

/** The schemas of the subgraphs that nodes are, by the name of their node; of one namespace (`a|b`), or with theirs. */
export async function subgraphs(
  graph: CompiledGraph,
  namespace: string | undefined,
  recurse: boolean | undefined,
): Promise<Record<string, GraphSchemas>> {
  const found: Record<string, GraphSchemas> = {}
  for await (const [name, subgraph] of graph.getSubgraphsAsync(namespace, recurse))
    found[name] = schemas(name, subgraph)
  return found
}

type SchemaOf = typeof getStateTypeSchema
type Effects = Parameters<SchemaMetaRegistry['getExtendedChannelSchemas']>[1]

const INPUT: Effects = { withReducerSchema: true, asPartial: true }

/** As LangGraph derives it, from zod or a StateSchema. */
function strictly(derive: () => unknown): JsonSchema | null {
  try {
    return (derive() as JsonSchema | undefined) ?? null
  } catch {
    return null
  }
}

/**
 * The same where LangGraph fails: zod refuses a whole schema for one part that JSON has no form for (a date, a custom type).
 * Here that part is anything. What a graph adds to a schema (`langgraph_type`) travels in descriptions.
 */
function leniently(registry: SchemaMetaRegistry, definition: unknown, effects: Effects): JsonSchema | null {
  if (!(definition instanceof Object && '_zod' in definition)) return null
  return strictly(() => {
    const all = { ...effects, withJsonSchemaExtrasAsDescription: true }
    const schema = registry.getExtendedChannelSchemas(definition as never, all) as unknown as z.ZodType
    return z.toJSONSchema(schema, {
      unrepresentable: 'any',
      io: 'input',
      override: ({ jsonSchema }) => unpack(jsonSchema),
    })
  })
}

function unpack(schema: { description?: string }): void {
  if (!schema.description?.startsWith(META_EXTRAS_DESCRIPTION_PREFIX)) return
  const extras = JSON.parse(schema.description.slice(META_EXTRAS_DESCRIPTION_PREFIX.length))
  delete schema.description
  Object.assign(schema, extras)
}

/**
 * An Annotation has names, and reducers that tell messages from the rest; the rest is what its types say, as far as that is
 * known. A workflow of the functional API has types alone.
 */
function fromTypes(channels: unknown, typed: JsonSchema | null | undefined): JsonSchema | null {
  if (channels === undefined) return typed ?? null
  if (!(channels instanceof Object) || '__root__' in channels) return null
  const { properties: types = {}, required } = (typed ?? {}) as { properties?: JsonSchema; required?: string[] }
  const properties = Object.entries(channels).map(([name, channel]) => [
    name,
    channel?.operator?.name === 'messagesStateReducer' ? { langgraph_type: 'messages' } : (types[name] ?? {}),
  ])
  return { type: 'object', properties: Object.fromEntries(properties), ...(required && { required }) }
}
