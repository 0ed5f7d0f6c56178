// The API's description as OpenAPI 3.1: the table of operations, with the schemas that validate what they are sent.
import { z } from 'zod'
import type { HttpConfig } from '../protocol/config-file.ts'
import { type Operation, operations, SCHEMAS, type SchemaName } from './operations.ts'

/** The description of what this configuration serves. */
export function openApi(http: HttpConfig, version: string): object {
  const served = operations.filter(({ group }) => group === 'always' || !http[`disable_${group}`])
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of served) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: described(operation) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Runloom',
      version,
      summary: 'The LangGraph Agent Server API',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: http.mount_prefix || '/' }],
    tags: [...new Set(served.map(({ tag }) => tag))].map(name => ({ name })),
    paths,
    components: { schemas: componentSchemas() },
  }
}

function described({ method, path, tag, summary, body, query, files, answer }: Operation): object {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string)
  const parameters = [
    ...names.map(name => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...Object.entries(query ?? {}).map(([name, schema]) => ({ name, in: 'query', schema: jsonSchema(schema) })),
  ]
  return {
    operationId: `${method}${path.replaceAll(/[^A-Za-z]+(\w)/g, (_, letter: string) => letter.toUpperCase()).replace(/\W+$/, '')}`,
    tags: [tag],
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { content: json(reference(body)) } }),
    ...(files && { requestBody: { content: multipart(files) } }),
    responses: { ...answers(answer), default: { description: 'What went wrong', content: json(reference('Error')) } },
  }
}

function answers(answer: Operation['answer']): object {
  switch (answer) {
    case 'stream':
      return {
        200: { description: 'Server-sent events', content: { 'text/event-stream': { schema: { type: 'string' } } } },
      }
    case 'empty':
      return { 204: { description: 'Done' } }
    case 'cancel':
      return { 202: { description: 'The run will stop' }, 204: { description: 'The run has stopped' } }
    case 'text':
      return { 200: { description: 'Text', content: { 'text/*': { schema: { type: 'string' } } } } }
    case 'file':
      return { 200: { description: 'Its content', content: { '*/*': {} } } }
    default:
      return { 200: { description: 'Done', content: json(answer === 'json' ? {} : { type: answer }) } }
  }
}

function json(schema: object): object {
  return { 'application/json': { schema } }
}

function multipart(field: string): object {
  const file = { type: 'string', contentMediaType: 'application/octet-stream' }
  const properties = { [field]: { type: 'array', items: file } }
  return { 'multipart/form-data': { schema: { type: 'object', properties, required: [field] } } }
}

function reference(name: SchemaName | 'Error'): object {
  return { $ref: `#/components/schemas/${name}` }
}

function componentSchemas(): Record<string, object> {
  const entries = Object.entries(SCHEMAS).map(([name, schema]) => [name, jsonSchema(schema)] as const)
  const error = { type: 'object', properties: { detail: { type: 'string' } }, required: ['detail'] }
  return { ...Object.fromEntries(entries), Error: error }
}

/** What may be sent, not what it becomes. */
function jsonSchema(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}
