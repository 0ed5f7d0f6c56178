// runloom.yaml (contracts: gateway §4.5): the models, the lead agent and what it may use. Every key has a default; an
// unknown one is an error, because a misspelt one would change nothing without a word.
import { z } from 'zod'
import { mcpName, mcpServer } from './mcp.ts'

const on = z.boolean().default(true)
const off = z.boolean().default(false)
const name = z.string().regex(/^[\w.:/@-]{1,128}$/, { error: 'use letters, digits and . _ : / @ -' })
const count = (least: number, most: number) => z.number().int().min(least).max(most)
const seconds = (least: number) => z.number().min(least).max(86_400)

/** US dollars for a million tokens. */
const price = z.strictObject({
  input: z.number().min(0).default(0),
  cached_input: z.number().min(0).optional(),
  output: z.number().min(0).default(0),
})

const model = z.strictObject({
  /** What runs, workflows and the page call it. */
  name,
  display_name: z.string().optional(),
  description: z.string().optional(),
  /** A provider of LangChain's (`openai`, `anthropic`, `ollama`, …), or `offline`. */
  provider: z.string().min(1),
  /** The provider's name of it; `name` without one. */
  model: z.string().min(1).optional(),
  base_url: z.url().optional(),
  /** `$NAME` takes it from the environment. */
  api_key: z.string().optional(),
  /** Its window, in tokens. */
  max_input_tokens: count(1, 100_000_000).optional(),
  max_output_tokens: count(1, 100_000_000).optional(),
  temperature: z.number().min(0).max(2).optional(),
  timeout_seconds: seconds(1).default(600),
  supports_vision: off,
  supports_thinking: off,
  supports_reasoning_effort: off,
  /** Handed to the provider's class as they are. */
  parameters: z.record(z.string(), z.unknown()).default({}),
  /** Added where a run asks for thinking. */
  thinking_parameters: z.record(z.string(), z.unknown()).default({}),
  price: price.optional(),
})

const tool = z.strictObject({
  /** `./tools.ts:search`, a LangChain tool or a list of them; or `package:export`. */
  use: z.string().regex(/^.+:[\w$]+$/, { error: 'use "./file.ts:export"' }),
  /** Asks the user before each call. */
  approval: off,
})

const summarizationTrigger = z.strictObject({
  type: z.enum(['tokens', 'messages', 'fraction']),
  value: z.number().positive(),
})

const agent = z.strictObject({
  /** Stands before the agent's own instructions. */
  system_prompt: z.string().default(''),
  /** Asks the user before a file is written. */
  approve_writes: off,
  /** Reading, writing and searching the files of the thread. */
  file_tools: on,
  model_retries: count(0, 10).default(2),
  /** Equal calls of a tool after which the model is warned, and the turn stopped. */
  loop_warn: count(2, 100).default(3),
  loop_stop: count(2, 100).default(5),
})

const title = z.strictObject({
  enabled: on,
  max_words: count(1, 20).default(6),
  max_chars: count(10, 200).default(60),
  /** Without one, the beginning of the question is the title. */
  model_name: name.optional(),
  prompt_template: z.string().optional(),
})

const summarization = z.strictObject({
  enabled: on,
  /** Without one, the model of the run. */
  model_name: name.optional(),
  /** Any of them fires. */
  trigger: z
    .union([summarizationTrigger, z.array(summarizationTrigger).min(1)])
    .transform(one => [one].flat())
    .default([{ type: 'fraction', value: 0.8 }]),
  keep: summarizationTrigger.default({ type: 'messages', value: 20 }),
  trim_tokens_to_summarize: count(100, 10_000_000).default(4_000),
  summary_prompt: z.string().optional(),
})

const subagents = z.strictObject({
  /** Whether runs have them that do not say `subagent_enabled`. */
  enabled: off,
  max_concurrent: count(1, 16).default(3),
  max_turns: count(1, 1_000).default(50),
  timeout_seconds: seconds(1).default(1_800),
})

const uploads = z.strictObject({
  max_files: count(1, 1_000).default(10),
  /** Bytes. */
  max_file_size: count(1, Number.MAX_SAFE_INTEGER).default(50 * 1024 * 1024),
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
  /** A model reads finished turns for facts. */
  extraction_enabled: off,
  extraction_model_name: name.optional(),
  debounce_seconds: seconds(0).default(30),
})

const skills = z.strictObject({
  enabled: on,
  /** Relative to the file. */
  path: z.string().default('skills'),
})

export const runloomFile = z.strictObject({
  models: z.array(model).default([]),
  tools: z.array(tool).default([]),
  mcp_servers: z.record(mcpName, mcpServer).default({}),
  /** Lets the API name commands for MCP servers, too: whoever may write its configuration runs programs here. */
  mcp_commands_by_api: off,
  agent: agent.default(() => agent.parse({})),
  /** Whether runs plan that do not say `is_plan_mode`. */
  plan_mode: off,
  title: title.default(() => title.parse({})),
  summarization: summarization.default(() => summarization.parse({})),
  subagents: subagents.default(() => subagents.parse({})),
  uploads: uploads.default(() => uploads.parse({})),
  memory: memory.default(() => memory.parse({})),
  skills: skills.default(() => skills.parse({})),
})

/** What the lead agent is made of. */
export type AgentConfig = z.infer<typeof runloomFile>
