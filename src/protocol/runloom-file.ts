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
  input: z.number().min(0).default(0),
  cached_input: z.number().min(0).optional(),
  output: z.number().min(0).default(0),
})

export const modelConfig = z.strictObject({
  /** What runs, workflows and the page call it. */
  name,
  display_name: z.string().optional(),
  description: z.string().optional(),
  provider: z.string().min(1).describe("A provider of LangChain's (`openai`, `anthropic`, `ollama`, …), or `offline`."),
  model: z.string().min(1).optional().describe("The provider's name of it; `name` without one."),
  base_url: z
    .url({ protocol: /^https?$/, error: 'use a URL like http://localhost:8000/v1' })
    .optional()
    .describe('Of a server that speaks the protocol of the provider; without one, the provider itself.'),
  api_key: z.string().optional().describe('`$NAME` takes it from the environment.'),
  max_input_tokens: count(1, 100_000_000).optional().describe('Its window, in tokens.'),
  max_output_tokens: count(1, 100_000_000).optional(),
  temperature: z.number().min(0).max(2).optional(),
  timeout_seconds: seconds(1).default(600),
  supports_vision: off,
  supports_thinking: off,
  supports_reasoning_effort: off,
  parameters: z.record(z.string(), z.unknown()).default({}).describe("Handed to the provider's class as they are."),
  thinking_parameters: z.record(z.string(), z.unknown()).default({}).describe('Added where a run asks for thinking.'),
  price: price.optional(),
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

const summarizationTrigger = z.strictObject({
  type: z.enum(['tokens', 'messages', 'fraction']),
  value: z.number().positive(),
})

const agent = z.strictObject({
  system_prompt: z.string().default('').describe("Stands before the agent's own instructions."),
  approve_writes: off.describe('Asks the user before a file is written.'),
  file_tools: on.describe('Reading, writing and searching the files of the thread.'),
  model_retries: count(0, 10).default(2),
  loop_warn: count(2, 100)
    .default(3)
    .describe('Equal calls of a tool after which the model is warned, and the turn stopped.'),
  loop_stop: count(2, 100).default(5),
})

const title = z.strictObject({
  enabled: on,
  max_words: count(1, 20).default(6),
  max_chars: count(10, 200).default(60),
  model_name: name.optional().describe('Without one, the beginning of the question is the title.'),
  prompt_template: z.string().optional(),
})

const summarization = z.strictObject({
  enabled: on,
  model_name: name.optional().describe('Without one, the model of the run.'),
  trigger: z
    .union([summarizationTrigger, z.array(summarizationTrigger).min(1)])
    .transform(one => [one].flat())
    .default([{ type: 'fraction', value: 0.8 }])
    .describe('Any of them fires.'),
  keep: summarizationTrigger.default({ type: 'messages', value: 20 }),
  trim_tokens_to_summarize: count(100, 10_000_000).default(4_000),
  summary_prompt: z.string().optional(),
})

const subagents = z.strictObject({
  enabled: off.describe('Whether runs have them that do not say `subagent_enabled`.'),
  max_concurrent: count(1, 16).default(3),
  max_turns: count(1, 1_000).default(50),
  timeout_seconds: seconds(1).default(1_800),
})

const uploads = z.strictObject({
  max_files: count(1, 1_000).default(10),
  max_file_size: count(1, Number.MAX_SAFE_INTEGER)
    .default(50 * 1024 * 1024)
    .describe('Bytes.'),
  max_total_size: count(1, Number.MAX_SAFE_INTEGER).default(100 * 1024 * 1024),
  convert_documents: on,
  convert_timeout_seconds: seconds(1).default(60),
})

const memory = z.strictObject({
  enabled: on,
  max_facts: count(1, 10_000).default(100),
  fact_confidence_threshold: z.number().min(0).max(1).default(0.7),
  injection_enabled: on,
  max_injection_tokens: count(1, 1_000_000).default(2_000),
  extraction_enabled: off.describe('A model reads finished turns for facts.'),
  extraction_model_name: name.optional(),
  debounce_seconds: seconds(0).default(30),
})

const skills = z.strictObject({
  enabled: on,
  path: z.string().default('skills').describe('Relative to the file.'),
})

export const runloomFile = z.strictObject({
  models: models.default([]),
  tools: z.array(tool).default([]),
  mcp_servers: z.record(mcpName, mcpServer).default({}),
  mcp_commands_by_api: off.describe(
    'Lets the API name commands for MCP servers, too: whoever may write that configuration runs programs here.',
  ),
  agent: agent.default(() => agent.parse({})),
  plan_mode: off.describe('Whether runs plan that do not say `is_plan_mode`.'),
  title: title.default(() => title.parse({})),
  summarization: summarization.default(() => summarization.parse({})),
  subagents: subagents.default(() => subagents.parse({})),
  uploads: uploads.default(() => uploads.parse({})),
  memory: memory.default(() => memory.parse({})),
  skills: skills.default(() => skills.parse({})),
})

/** All that runloom.yaml may say: besides, the server's settings, and what langgraph.json says of a running server. */
export const runloomYaml = z.strictObject({
  ...runloomFile.shape,
  server: settings.default(() => settings.parse({})),
  ...officialSections,
})

/** What the lead agent is made of. */
export type AgentConfig = z.infer<typeof runloomFile>
