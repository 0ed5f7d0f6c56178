// The runloom.yaml that `runloom init` writes: every key with its default, as a comment. It is made of the schema, so that
// it is never behind. Without its `# ` a section says what is the case without it.
import { runloomYaml } from '../protocol/runloom-file.ts'
import { type Field, fieldsOf } from '../protocol/schema-tree.ts'

/** Sections whose shape no default shows. */
const EXAMPLES: Readonly<Record<string, string>> = {
  models: `
- name: fast
  provider: openai
  model: gpt-5-mini
  api_key: $OPENAI_API_KEY
  supports_vision: true
  price: { input: 0.25, cached_input: 0.025, output: 2 }
- name: local
  display_name: On this machine
  provider: ollama
  model: llama3.2
  base_url: http://127.0.0.1:11434
- name: own-server
  provider: openai
  model: Qwen/Qwen3-8B
  base_url: http://127.0.0.1:8000/v1
  max_input_tokens: 32768
  supports_thinking: true
  thinking_parameters: { modelKwargs: { chat_template_kwargs: { enable_thinking: true } } }`,
  tools: `
- use: ./tools/search.ts:search
  approval: true`,
  mcp_servers: `
files:
  command: npx
  args: ["-y", "@modelcontextprotocol/server-filesystem", "."]
tickets:
  url: https://tickets.example.com/mcp
  headers: { authorization: "Bearer $TICKETS_TOKEN" }`,
}

const HEAD = `# The configuration of this server. Every key may be left out; what follows # is its default. All keys are in
# docs/configuration.md of Runloom. $NAME takes a value from the environment or from .env; $$ is a dollar.
# runloom doctor checks this file, and what it names. runloom dev restarts when it changes.
`

/** `given` is YAML of sections that are not to be comments. */
export function yamlExample(given: Readonly<Record<string, string>>): string {
  const sections = fieldsOf(runloomYaml).map(field => {
    const { key, description } = field
    return `\n# ${description}\n${given[key] ?? commented(section(field))}\n`
  })
  return HEAD + sections.join('')
}

function section(field: Field): string[] {
  const example = EXAMPLES[field.key]
  return example ? [`${field.key}:`, ...indented(example.trim().split('\n'))] : lines({ ...field, description: '' })
}

/** A key with its default; what is below it in lines of its own. What has no default is a comment. */
function lines({ key, schema, description, default: given }: Field): string[] {
  const below = fieldsOf(schema).filter(({ description }) => !WITHOUT_EFFECT.test(description))
  const says = below.some(part => part.default !== undefined)
  const isSection = below.length > 0 && (given === undefined || says || isEmpty(given))
  const say = description && `  # ${description}`
  const own = isSection ? [`${key}:${say}`, ...indented(below.flatMap(lines))] : [`${key}:${shown(given)}${say}`]
  return given === undefined ? own.map(line => `# ${line}`) : own
}

const WITHOUT_EFFECT = /^(Has no effect|Understood)/

function isEmpty(given: unknown): boolean {
  return Object.keys(given as object).length === 0
}

function shown(given: unknown): string {
  if (given === undefined) return ''
  return ` ${typeof given === 'string' ? text(given) : JSON.stringify(given)}`
}

function text(value: string): string {
  return /^[a-z.][\w./-]*$/i.test(value) ? value : JSON.stringify(value)
}

function indented(lines: string[]): string[] {
  return lines.map(line => `  ${line}`)
}

function commented(lines: string[]): string {
  return lines.map(line => `# ${line}`).join('\n')
}
