// What the model is told of the files that came with a message (contracts: gateway §4.1): their names and paths, and what
// is in a document. It stands in the model's copy of the message only; what the user sees and what is stored stays.
import { HumanMessage } from '@langchain/core/messages'
import { type AgentMiddleware, createMiddleware } from 'langchain'
import type { Entry, ThreadFiles } from '../core/thread-files.ts'
import type { Uploads } from '../core/uploads.ts'
import { virtualPath } from '../core/virtual-paths.ts'

const AREA = 'uploads'
const MOST_FILES = 10
const MOST_HEADINGS = 20
/** Where a document shows no headings. */
const FIRST_LINES = 5
const LINE_CHARS = 120
const LOOK_BYTES = 256 * 1024

export interface MessageFileParts {
  files: ThreadFiles
  uploads: Uploads
}

/** The middleware that tells it. */
export function messageFiles(parts: MessageFileParts): AgentMiddleware {
  return createMiddleware({
    name: 'Uploads',
    wrapModelCall: async (request, handler) => {
      const { thread_id } = (request.runtime.configurable ?? {}) as { thread_id?: string }
      if (thread_id === undefined || !request.messages.some(hasFiles)) return handler(request)
      const stored = new Map((await parts.files.list(thread_id, [AREA])).map(entry => [entry.name, entry]))
      const newest = request.messages.findLast(message => HumanMessage.isInstance(message))
      const messages = await Promise.all(
        request.messages.map(async message => {
          if (!hasFiles(message)) return message
          const described = namesIn(message)
            .flatMap(name => stored.get(name) ?? [])
            .map(entry => describe(parts, thread_id, entry, message === newest))
          return described.length === 0 ? message : withNote(message, await Promise.all(described))
        }),
      )
      return handler({ ...request, messages })
    },
  })
}

function hasFiles(message: unknown): message is HumanMessage {
  return HumanMessage.isInstance(message) && namesIn(message).length > 0
}

/** The names that a client gives in `additional_kwargs.files`; it may write there what it likes. */
function namesIn({ additional_kwargs: { files } }: HumanMessage): string[] {
  if (!Array.isArray(files)) return []
  const names = files.map((file: { filename?: unknown } | null) => file?.filename)
  return names.filter(name => typeof name === 'string').slice(0, MOST_FILES)
}

async function describe({ files, uploads }: MessageFileParts, thread_id: string, entry: Entry, whole: boolean) {
  const { name, size } = entry
  const line = `- ${virtualPath([AREA, name])} (${size} bytes)`
  if (!whole) return line
  const text = name.endsWith('.md') ? name : await uploads.markdownOf(thread_id, name)
  if (text === undefined) return line
  const outline = await outlineOf(files, thread_id, text)
  const at = text === name ? '' : `, its text is ${virtualPath([AREA, text])}`
  return [`${line}${at}`, ...outline.map(one => `  ${one}`)].join('\n')
}

/** Headings of a Markdown file, or how it begins. */
async function outlineOf(files: ThreadFiles, thread_id: string, name: string): Promise<string[]> {
  const { handle } = await files.open(thread_id, [AREA, name])
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LOOK_BYTES), { position: 0 })
    const lines = buffer
      .toString('utf8', 0, bytesRead)
      .split('\n')
      .map(line => line.trim().slice(0, LINE_CHARS))
    const headings = lines.filter(line => /^#{1,3} \S/.test(line)).slice(0, MOST_HEADINGS)
    return headings.length > 0 ? headings : lines.filter(line => line && !line.startsWith('<!--')).slice(0, FIRST_LINES)
  } finally {
    await handle.close()
  }
}

function withNote(message: HumanMessage, files: string[]): HumanMessage {
  const note = `<uploaded_files>\nThe user has uploaded with this message:\n${files.join('\n')}\n</uploaded_files>\n\n`
  const { content, id, name, additional_kwargs, response_metadata } = message
  return new HumanMessage({
    content: typeof content === 'string' ? note + content : [{ type: 'text', text: note }, ...content],
    additional_kwargs,
    response_metadata,
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
  })
}
