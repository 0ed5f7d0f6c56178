// The agent's tools for the files of its thread. What cannot be done is said in the tool's answer, for the model to work
// with. Writes ask the user first where that is configured.
import { ToolMessage } from '@langchain/core/messages'
import { Command, ReducedValue, StateSchema } from '@langchain/langgraph'
import { type AgentMiddleware, createMiddleware, type ToolRuntime, tool } from 'langchain'
import { z } from 'zod'
import { RunloomError } from '../core/errors.ts'
import type { ThreadFiles } from '../core/thread-files.ts'
import { segmentsOf, virtualPath } from '../core/virtual-paths.ts'
import { allFiles, editText, readText, searchTexts, writeText } from './file-texts.ts'
import { askBefore } from './write-approval.ts'

const MOST_LISTED = 500
/** Of a file's text in one answer. */
const MOST_LINES = 1_000
const MOST_CHARS = 60_000

const path = z.string().describe('Below /mnt/user-data/uploads, /mnt/user-data/workspace or /mnt/user-data/outputs.')
const folder = z.string().default('/mnt/user-data').describe('A folder below /mnt/user-data; all files without one.')
const line = z.number().int().min(1)

/** Paths of files that the user is shown, each once. */
const state = new StateSchema({
  artifacts: new ReducedValue(
    z.array(z.string()).default(() => []),
    {
      inputSchema: z.array(z.string()),
      reducer: (shown, more) => [...new Set([...shown, ...more])],
    },
  ),
})

const WRITING = ['write_file', 'edit_file']

/** The middleware that brings them. */
export function fileTools(files: ThreadFiles, { approve_writes }: { approve_writes: boolean }): AgentMiddleware {
  const tools = [...reading(files), ...writing(files), presenting(files)]
  const middleware: AgentMiddleware = createMiddleware({ name: 'Files', tools, stateSchema: state })
  return approve_writes ? { ...middleware, ...askBefore(WRITING, 'The agent wants to write a file') } : middleware
}

function reading(files: ThreadFiles) {
  return [
    tool(
      async ({ path }, runtime: ToolRuntime) => {
        const found = await allFiles(files, threadOf(runtime), segmentsOf(path), MOST_LISTED)
        if (found.length === 0) return 'There are no files here.'
        const lines = found.map(({ segments, size }) => `${virtualPath(segments)} (${size} bytes)`)
        return found.length < MOST_LISTED
          ? lines.join('\n')
          : [...lines, 'There may be more; list a folder.'].join('\n')
      },
      {
        name: 'list_files',
        description:
          'Lists the files of this conversation: uploads are from the user, workspace is for your drafts, outputs for results.',
        schema: z.object({ path: folder }),
      },
    ),
    tool(
      async ({ path, from_line, to_line }, runtime: ToolRuntime) => {
        const lines = (await readText(files, threadOf(runtime), segmentsOf(path))).split('\n')
        return excerpt(lines, from_line ?? 1, to_line ?? lines.length)
      },
      {
        name: 'read_file',
        description: `Reads a text file, or some lines of it; at most ${MOST_LINES} lines at once. Documents such as PDF have their text beside them, as a .md file.`,
        schema: z.object({ path, from_line: line.optional(), to_line: line.optional().describe('Included.') }),
      },
    ),
    tool(
      async ({ text, path }, runtime: ToolRuntime) => {
        const matches = await searchTexts(files, threadOf(runtime), segmentsOf(path), text)
        return matches.length === 0 ? 'No file has this text.' : matches.join('\n')
      },
      {
        name: 'search_files',
        description: 'Finds the lines of text files that contain a text, whatever its case.',
        schema: z.object({ text: z.string().min(1), path: folder }),
      },
    ),
  ]
}

function writing(files: ThreadFiles) {
  return [
    tool(
      async ({ path, content }, runtime: ToolRuntime) => {
        const bytes = await writeText(files, threadOf(runtime), segmentsOf(path), content)
        return `${bytes} bytes written to ${path}`
      },
      {
        name: 'write_file',
        description: 'Writes a text file below workspace or outputs; one that is there is replaced.',
        schema: z.object({ path, content: z.string() }),
      },
    ),
    tool(
      async ({ path, old_text, new_text, replace_all }, runtime: ToolRuntime) => {
        const edit = { old_text, new_text, replace_all }
        const count = await editText(files, threadOf(runtime), segmentsOf(path), edit)
        return `${count} ${count === 1 ? 'place' : 'places'} changed in ${path}`
      },
      {
        name: 'edit_file',
        description: 'Replaces a text in a file below workspace or outputs.',
        schema: z.object({
          path,
          old_text: z.string().min(1).describe('Exactly as it is in the file, and there once.'),
          new_text: z.string(),
          replace_all: z.boolean().default(false).describe('Replaces it wherever it is.'),
        }),
      },
    ),
  ]
}

function presenting(files: ThreadFiles) {
  return tool(
    async ({ paths }, runtime: ToolRuntime) => {
      const artifacts: string[] = []
      for (const path of paths) {
        const { handle, segments } = await files.open(threadOf(runtime), segmentsOf(path))
        await handle.close()
        artifacts.push(virtualPath(segments))
      }
      const content = `The user is shown ${artifacts.join(', ')}`
      const message = new ToolMessage({ content, name: 'present_files', tool_call_id: runtime.toolCallId })
      return new Command({ update: { artifacts, messages: [message] } })
    },
    {
      name: 'present_files',
      description: 'Shows finished files to the user, who can open and download them.',
      schema: z.object({ paths: z.array(path).min(1).max(20) }),
    },
  )
}

/** Whose files a tool works on. */
function threadOf({ configurable, config }: ToolRuntime): string {
  const { thread_id } = (configurable ?? config?.configurable ?? {}) as { thread_id?: unknown }
  if (typeof thread_id === 'string') return thread_id
  throw new RunloomError('invalid', 'There are no files here, because this run is on no thread')
}

/** Lines from 1, both ends included, as far as an answer goes. */
function excerpt(lines: string[], from: number, to: number): string {
  if (from > lines.length) throw new RunloomError('invalid', `from_line: the file has ${lines.length} lines`)
  const asked = lines.slice(from - 1, Math.min(to, from - 1 + MOST_LINES))
  let text = asked.join('\n')
  while (text.length > MOST_CHARS && asked.length > 1) {
    asked.length = Math.floor(asked.length / 2)
    text = asked.join('\n')
  }
  if (text.length > MOST_CHARS) text = `${text.slice(0, MOST_CHARS)} (the rest of this line is left out)`
  const last = from - 1 + asked.length
  if (from === 1 && last === lines.length) return text
  return `${text}\n(lines ${from} to ${last} of ${lines.length})`
}
