// Tools by name (contracts: workflows §6): those that clients have, whose schemas a spec may leave to the server, and
// those that the server executes itself.
import type { Json } from '../core/json.ts'
import type { ToolObject } from './plan.ts'

const text = (description: string) => ({ type: 'string', description })

function known(description: string, properties: Record<string, Json>, required: string[]): Known {
  return { description, parameters: { type: 'object', properties, required } }
}

interface Known {
  description: string
  parameters: Record<string, Json>
}

const CLIENT_TOOLS: Record<string, Known> = {
  user_ask: known(
    'Ask the user a question and wait for the answer.',
    {
      question: text('What to ask.'),
      options: {
        type: 'array',
        items: { type: 'object', properties: { label: text(''), description: text('') }, required: ['label'] },
      },
      allow_freeform: {
        type: 'boolean',
        description: 'Whether other answers than the options are taken. Default: true.',
      },
    },
    ['question'],
  ),
  fs_read_file: known('Read a file of the workspace.', { path: text('Relative to the workspace.') }, ['path']),
  fs_list_files: known('List files of the workspace.', { path: text('A folder; the workspace by default.') }, []),
  fs_search: known('Search the files of the workspace.', { query: text('What to look for.'), path: text('Where.') }, [
    'query',
  ]),
  fs_edit: known(
    'Replace a text in a file of the workspace.',
    { path: text('The file.'), old_string: text('What to replace.'), new_string: text('With what.') },
    ['path', 'old_string', 'new_string'],
  ),
  bash: known('Run a command in the workspace.', { command: text('For a shell.') }, ['command']),
  write_file: known('Write a file of the workspace.', { path: text('The file.'), contents: text('All of it.') }, [
    'path',
    'contents',
  ]),
}

const SERVER_TOOLS: Record<string, Known> = {
  kv_write: known(
    'Keep a value under a key, for later steps; what was there is replaced.',
    { key: text('At most 256 characters.'), value: { description: 'Any JSON.' } },
    ['key', 'value'],
  ),
  kv_read: known('Read the value that is kept under a key.', { key: text('The key.') }, ['key']),
  kv_list: known('List the keys under which values are kept.', { prefix: text('What the keys begin with.') }, []),
  kv_delete: known('Remove the value that is kept under a key.', { key: text('The key.') }, ['key']),
  tasks_write: known(
    'Write down the list of tasks and how far they are; it replaces the last list.',
    {
      tasks: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            content: text('What is to be done.'),
            status: { type: 'string', enum: ['pending', 'in_progress', 'completed'] },
            active_form: text('The same, as something that is being done.'),
          },
          required: ['content', 'status'],
        },
      },
    },
    ['tasks'],
  ),
  web_fetch: known('Read the text of a public web page.', { url: text('http: or https:.') }, ['url']),
}

const TOOLS = { ...CLIENT_TOOLS, ...SERVER_TOOLS }

/** A known tool's object under its name or its dotted old spelling; undefined when there is none. */
export function knownTool(name: string): ToolObject | undefined {
  const plain = name.replaceAll('.', '_')
  const found = Object.hasOwn(TOOLS, plain) ? TOOLS[plain] : undefined
  return found && { type: 'function', function: { name: plain, ...found } }
}

/** For messages. */
export function knownTools(): string {
  return Object.keys(TOOLS).join(', ')
}
