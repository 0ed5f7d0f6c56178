// runloom.yaml (contracts: gateway §4.5): the models, the lead agent and what it may use. Every key has a default; an
// unknown one is an error, because a misspelt one would change nothing without a word.
import { z } from 'zod'
import { officialSections } from './config-file.ts'
import { mcpName, mcpServer } from './mcp.ts'
import { settings } from './settings.ts'

const on = z.boolean().default(true)
const off = z.boolean().default(false)
const name = z.string().regex(/^[\w.:/@-]{1,128}$/, { error: 'use letters, digits and . _ : / @ -' })
const count = (least: number, most: number) => z.number().int().min(least).max(most)
const seconds = (least: number) => z.number().min(least).max(86_400)

/** US dollars for a million tokens. */
export const price = z.strictObject({
  input: z.number().min(0).default(0).describe('For a million tokens that go in.'),
  cached_input: z
    .number()
    .min(0)
    .optional()
    .describe('For those of them that the provider had; as `input` without one.'),
  output: z.number().min(0).default(0).describe('For a million tokens that come out.'),
})

export const modelConfig = z.strictObject({
  name: name.describe('What runs, workflows and the page call it. The first model is the default.'),
  display_name: z.string().optional().describe('What people see.'),
  description: z.string().optional().describe('What people are told about it.'),
  provider: z.string().min(1).describe("A provider of LangChain's (`openai`, `anthropic`, `ollama`, …), or `offline`."),
  model: z.string().min(1).optional().describe("The provider's name of it; `name` without one."),
  base_url: z
    .url({ protocol: /^https?$/, error: 'use a URL like http://localhost:8000/v1' })
    .optional()
    .describe('Of a server that speaks the protocol of the provider; without one, the provider itself.'),
  api_key: z.string().optional().describe('`$NAME` takes it from the environment.'),
  max_input_tokens: count(1, 100_000_000).optional().describe('Its window, in tokens.'),
  max_output_tokens: count(1, 100_000_000).optional().describe('Of one answer.'),
  temperature: z.number().min(0).max(2).optional().describe("The provider's own without one."),
  timeout_seconds: seconds(1).default(600).describe('Of one call, where the package of the provider has such a limit.'),
  supports_vision: off.describe('Whether it may be sent pictures.'),
  supports_thinking: off.describe('Whether `thinking_enabled` of a run changes anything.'),
  supports_reasoning_effort: off.describe('Whether `reasoning_effort` of a run is sent.'),
  parameters: z.record(z.string(), z.unknown()).default({}).describe("Handed to the provider's class as they are."),
  thinking_parameters: z.record(z.string(), z.unknown()).default({}).describe('Added where a run asks for thinking.'),
  price: price.optional().describe('US dollars for a million tokens; costs are counted where it is known.'),
})

export type ModelConfig = z.infer<typeof modelConfig>
export type Price = z.infer<typeof price>

const models = z.array(modelConfig).superRefine((all, issues) => {
  for (const [index, { name }] of all.entries()) {
    if (all.findIndex(other => other.name === name) < index) {
      const message = `another model is called ${name}; names are unique`
      issues.addIssue({ code: 'custom', path: [index, 'name'], message })
    }
  }
})

const tool = z.strictObject({
  use: z
    .string()
    .regex(/^.+:[\w$]+$/, { error: 'use "./file.ts:export"' })
    .describe('`./tools.ts:search`, a LangChain tool or a list of them; or `package:export`.'),
  approval: off.describe('Asks the user before each call.'),
})

/** Tokens, messages, or a part of the model's window. */
const summarizationTrigger = z
  .strictObject({
    type: z.enum(['tokens', 'messages', 'fraction']).describe('A fraction is of `max_input_tokens` of the model.'),
    value: z.number().positive().describe('How many, or which part.'),
  })
  .refine(({ type, value }) => (type === 'fraction' ? value <= 1 : type !== 'messages' || Number.isInteger(value)), {
    path: ['value'],
    error: 'use at most 1 for a fraction, whole messages',
  })

const agent = z.strictObject({
  system_prompt: z.string().default('').describe("Stands before the agent's own instructions."),
  approve_writes: off.describe('Asks the user before a file is written.'),
  file_tools: on.describe('Reading, writing and searching the files of the thread.'),
  model_retries: count(0, 10).default(2).describe('How often a failed call of a model is tried again.'),
  model_silence_seconds: seconds(0.1)
    .default(300)
    .describe('Without a token for so long, a call of a model has failed.'),
  loop_warn: count(2, 100).default(3).describe('Equal calls of a tool after which the model is warned.'),
  loop_stop: count(2, 100).default(5).describe('Equal calls of a tool after which the turn is stopped.'),
})

const title = z.strictObject({
  enabled: on.describe('Threads get a title after the first answer.'),
  max_words: count(1, 20).default(6).describe('Words that the model is asked for.'),
  max_chars: count(10, 200).default(60).describe('Where a title is cut.'),
  model_name: name.optional().describe('Without one, the beginning of the question is the title.'),
  prompt_template: z.string().optional().describe('Instead of the prompt for titles.'),
})

const summarization = z.strictObject({
  enabled: on.describe('Long conversations are summed up for the model; the history stays whole.'),
  model_name: name.optional().describe('Without one, the model of the run.'),
  trigger: z
    .union([summarizationTrigger, z.array(summarizationTrigger).min(1)])
    .transform(one => [one].flat())
    .default([{ type: 'fraction', value: 0.8 }])
    .describe('When: `{type, value}`, or a list of which any fires; `type` is fraction, tokens or messages.'),
  keep: summarizationTrigger
    .default({ type: 'messages', value: 20 })
    .describe('What stays as it is, as for `trigger`.'),
  trim_tokens_to_summarize: count(100, 10_000_000).default(4_000).describe('Tokens that the summing model is shown.'),
  summary_prompt: z.string().optional().describe('Instead of the prompt for summaries.'),
})

const subagents = z.strictObject({
  enabled: off.describe('Whether runs have them that do not say `subagent_enabled`.'),
  max_concurrent: count(1, 16).default(3).describe('At once, in one run.'),
  max_turns: count(1, 1_000).default(50).describe('Calls of its model that one may make.'),
  timeout_seconds: seconds(1).default(1_800).describe('Of one sub-agent.'),
})

const uploads = z.strictObject({
  max_files: count(1, 1_000).default(10).describe('Of one request.'),
  max_file_size: count(1, Number.MAX_SAFE_INTEGER)
    .default(50 * 1024 * 1024)
    .describe('Bytes of one file.'),
  max_total_size: count(1, Number.MAX_SAFE_INTEGER)
    .default(100 * 1024 * 1024)
    .describe('Bytes of one request.'),
  convert_documents: on.describe('PDF, Word, Excel, PowerPoint and HTML are stored as Markdown, too.'),
  convert_timeout_seconds: seconds(1).default(60).describe('Of one document; it is stored in any case.'),
})

const memory = z.strictObject({
  enabled: on.describe('Whether there are facts that outlive a thread.'),
  max_facts: count(1, 10_000).default(100).describe('Of one owner.'),
  fact_confidence_threshold: z.number().min(0).max(1).default(0.7).describe('How sure a model must be of a fact.'),
  injection_enabled: on.describe('Whether the prompt has the facts.'),
  max_injection_tokens: count(1, 1_000_000).default(2_000).describe('Tokens of the prompt that facts may take.'),
  extraction_enabled: off.describe('A model reads finished turns for facts.'),
  extraction_model_name: name.optional().describe('Without one, the default model.'),
  debounce_seconds: seconds(0).default(30).describe('How long a thread is quiet before it is read.'),
})

const skills = z.strictObject({
  enabled: on.describe('Whether the agent is offered skills.'),
  path: z.string().default('skills').describe('The folder of skills, relative to the file.'),
})

const tracingProvider = z.enum(['langfuse', 'langsmith'], { error: 'use langfuse or langsmith' })

export type TracingProvider = z.infer<typeof tracingProvider>

export const runloomFile = z.strictObject({
  models: models.default([]).describe('The models to choose from. Without any, `server.model` or the offline model.'),
  tools: z.array(tool).default([]).describe("Functions of yours that are the lead agent's tools."),
  mcp_servers: z
    .record(mcpName, mcpServer)
    .default({})
    .describe("MCP servers whose tools are the lead agent's, by name."),
  mcp_commands_by_api: off.describe(
    'Lets the API name commands for MCP servers, too: whoever may write that configuration runs programs here.',
  ),
  agent: agent.default(() => agent.parse({})).describe('The lead agent.'),
  plan_mode: off.describe('Whether runs plan that do not say `is_plan_mode`.'),
  title: title.default(() => title.parse({})).describe('Titles of threads.'),
  summarization: summarization.default(() => summarization.parse({})).describe('What happens to long conversations.'),
  subagents: subagents.default(() => subagents.parse({})).describe('Agents that the lead agent gives tasks to.'),
  uploads: uploads.default(() => uploads.parse({})).describe('Files that users give to a thread.'),
  memory: memory.default(() => memory.parse({})).describe('What the lead agent knows of its users.'),
  skills: skills.default(() => skills.parse({})).describe('Instructions that the lead agent reads when it needs them.'),
  tracing: z
    .array(tracingProvider)
    .default([])
    .describe('Providers of traces, `langfuse` or `langsmith`: callbacks of graphs hear what those group traces by.'),
})

/** All that runloom.yaml may say: besides, the server's settings, and what langgraph.json says of a running server. */
export const runloomYaml = z.strictObject({
  ...runloomFile.shape,
  server: settings.default(() => settings.parse({})).describe('The server.'),
  ...officialSections,
})

/** What the lead agent is made of. */
export type AgentConfig = z.infer<typeof runloomFile>
