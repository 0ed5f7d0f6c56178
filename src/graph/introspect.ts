// What a graph looks like from outside: its drawing, the JSON schemas of its state, its subgraphs. All of it is read off the
// compiled graph in milliseconds; what TypeScript types alone say is not known here.
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

export function schemas(graph_id: string, graph: CompiledGraph): GraphSchemas {
  const { builder = {}, _metaRegistry: registry }: Json = graph
  const state = builder._schemaRuntimeDefinition
  // A graph that names no input of its own takes parts of its state; a symbol says so.
  const input = typeof builder._inputRuntimeDefinition === 'symbol' ? state : builder._inputRuntimeDefinition
  const derive = (schemaOf: SchemaOf, definition: unknown, channels?: unknown, effects: Effects = {}) =>
    strictly(() => schemaOf(graph, registry)) ?? leniently(registry, definition, effects) ?? fromChannels(channels)
  const config = derive(getConfigTypeSchema, builder._configRuntimeSchema)
  return {
    graph_id,
    input_schema: derive(getInputTypeSchema, input, builder._inputDefinition, INPUT),
    output_schema: derive(getOutputTypeSchema, builder._outputRuntimeDefinition, builder._outputDefinition),
    state_schema: derive(getStateTypeSchema, state, builder._schemaDefinition),
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

/** An Annotation has names, and reducers that tell messages from the rest; its types are gone. */
function fromChannels(channels: unknown): JsonSchema | null {
  if (!(channels instanceof Object) || '__root__' in channels) return null
  const properties = Object.entries(channels).map(([name, channel]) => [
    name,
    channel?.operator?.name === 'messagesStateReducer' ? { langgraph_type: 'messages' } : {},
  ])
  return { type: 'object', properties: Object.fromEntries(properties) }
}
