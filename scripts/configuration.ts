// `node scripts/configuration.ts`: writes docs/configuration.md from the schemas. With --check it only says whether the
// document is current.
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { modelConfig, runloomYaml } from '../src/protocol/runloom-file.ts'
import { bare, type Field, fieldsOf, partOf, typeOf } from '../src/protocol/schema-tree.ts'
import { settingNames } from '../src/protocol/settings.ts'

const FILE = resolve(import.meta.dirname, '../docs/configuration.md')

const HEAD = `# Configuration

<!-- Written by scripts/configuration.ts from the schemas in src/protocol/. Change those, and run it. -->

Nothing has to be configured. What you want otherwise stands in \`runloom.yaml\` in the folder where Runloom starts, or in
the file that \`--config\` names. \`runloom init\` writes one with every key and its default; \`runloom doctor\` checks it.

\`\`\`yaml
server:
  port: 8080
models:
  - name: fast
    provider: openai
    model: gpt-5-mini
    api_key: $OPENAI_API_KEY
graphs:
  support: ./agents/support.ts:graph
\`\`\`

- **Two files.** A \`langgraph.json\` in the same folder is read, too; either file alone suffices. What it may say
  (\`graphs\`, \`env\`, \`auth\`, \`store\`, \`checkpointer\`, \`webhooks\`, \`http\`) may stand in \`runloom.yaml\` instead. The same
  section in both is an error.
- **What wins.** A flag wins over the environment, the environment over the file's \`env\`, that over \`server\`, that over the
  default. An empty variable counts as unset.
- **Variables.** In a text of \`runloom.yaml\`, \`$NAME\` and \`\${NAME}\` stand for a variable of the environment or of the file's
  \`env\`; \`$$\` is a dollar, and so is a dollar before anything else than a name. A variable that is not set is an error,
  except below a section that says \`enabled: false\`. They give texts: where a number is expected, only \`server\` takes one.
- **Paths** in a file are relative to that file.
- **Faults.** An unknown key is an error, as is a value of the wrong type; all are told at once, each with its place:
  \`runloom.yaml:12:5: models.0.provider: is missing; give a value (string)\`. A key without a value counts as not given.
  (Unknown keys of \`langgraph.json\` are warnings: other tools read that file, too.)
- **Changes.** \`runloom dev\` restarts when a file changes that it has read, and goes on as it was where the new one is wrong.
  \`serve\` and \`worker\` read once.
`

const ORDER = ['server', ...Object.keys(runloomYaml.shape).filter(key => key !== 'server')]

const MORE: Readonly<Record<string, () => string>> = {
  server: () => `Each has a variable, some have a flag.\n\n${settingsTable()}`,
  models: () =>
    `A list. Runs choose with \`context.model_name\`, workflows with \`model\`; the first is the default. What is not in the list
can be used as \`provider:name\`, with the provider's own variable for its key. [setup.md](setup.md) has examples.

${table(fieldsOf(modelConfig))}`,
  tools: () => `A list.\n\n${table(fieldsOf(partOf(runloomYaml.shape.tools, 0) ?? runloomYaml.shape.tools))}`,
  mcp_servers: () => alternatives(),
}

function text(): string {
  const sections = fieldsOf(runloomYaml).sort((a, b) => ORDER.indexOf(a.key) - ORDER.indexOf(b.key))
  return [HEAD, ...sections.map(section)].join('\n')
}

function section(field: Field): string {
  const { key, description, schema } = field
  const fields = fieldsOf(schema)
  const body =
    MORE[key]?.() ??
    (fields.length > 0 ? table(fields) : `${typeOf(schema)}; the default is ${defaultText(field.default)}.`)
  return `## ${key}\n\n${description}\n\n${body}\n`
}

/** Rows of what is below a key follow it, with its name before theirs. */
function table(fields: Field[]): string {
  const rows = fields
    .flatMap(field => withParts(field))
    .map(({ key, schema, description, default: given }) => {
      return `| \`${key}\` | ${typeText(schema)} | ${defaultText(given)} | ${description} |`
    })
  return ['| key | value | default | |', '|---|---|---|---|', ...rows].join('\n')
}

function withParts(field: Field): Field[] {
  const parts = fieldsOf(field.schema)
  if (
    parts.length === 0 ||
    parts.every(part => part.default === undefined && field.default !== undefined && !isEmpty(field.default))
  )
    return [field]
  const below = parts.flatMap(part => withParts({ ...part, key: `${field.key}.${part.key}` }))
  return [{ ...field, default: undefined }, ...below]
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function settingsTable(): string {
  const rows = fieldsOf(runloomYaml.shape.server).map(({ key, schema, description, default: given }) => {
    const { flag, variables } = settingNames[key as keyof typeof settingNames]
    const names = [...(flag ? [`\`--${flag}\``] : []), ...variables.map(variable => `\`${variable}\``)].join(', ')
    return `| \`${key}\` | ${names} | ${typeText(schema)} | ${defaultText(given)} | ${description} |`
  })
  return ['| key | flag, variables | value | default | |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** What stands in `mcp_servers` under a name. */
function alternatives(): string {
  const server = bare(partOf(runloomYaml.shape.mcp_servers, 'name') ?? runloomYaml)
  const { options = [] } = server._zod.def as { options?: Parameters<typeof fieldsOf>[0][] }
  const [command = [], url = []] = options.map(option => fieldsOf(option))
  return `A map. A server is a command:\n\n${table(command)}\n\nor a URL:\n\n${table(url)}`
}

function typeText(schema: Field['schema']): string {
  return typeOf(schema).replaceAll('|', '\\|')
}

function defaultText(given: unknown): string {
  if (given === undefined) return ''
  const shown = typeof given === 'string' && given !== '' ? given : JSON.stringify(given)
  return `\`${shown}\``
}

const wanted = text()
if (!process.argv.includes('--check')) writeFileSync(FILE, wanted)
else if (readFileSync(FILE, 'utf8') !== wanted) {
  console.error('docs/configuration.md is behind the schemas; run node scripts/configuration.ts')
  process.exitCode = 1
}
