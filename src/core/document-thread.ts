// The thread in which one document becomes Markdown. Which kind it is, its content says, not its name.
import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { gfm } from '@joplin/turndown-plugin-gfm'
import mammoth from 'mammoth'
import readSheets from 'read-excel-file/node'
import Turndown from 'turndown'
import { extractText, getDocumentProxy } from 'unpdf'
import { inflated, packed } from './document-archive.ts'
import { slidesMarkdown } from './document-slides.ts'
import type { DocumentReply, DocumentRequest } from './documents.ts'
import { markdownTable } from './markdown-table.ts'

/** What a companion may have at most; the rest of a longer text is left out, and it says so. */
const MOST_CHARS = 20_000_000

try {
  const { path } = workerData as DocumentRequest
  const text = (await markdownOf(await readFile(path))).trim()
  if (text === '') throw new Error('it has no text')
  const cut = text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS)}\n\n(The rest is left out.)` : text
  reply({ markdown: `${cut.toWellFormed()}\n` })
} catch (error) {
  reply({ problem: (error as Error).message })
}

function reply(answer: DocumentReply): void {
  parentPort?.postMessage(answer)
}

async function markdownOf(bytes: Buffer): Promise<string> {
  if (bytes.subarray(0, 1024).includes('%PDF-')) return pdfMarkdown(bytes)
  if (bytes.subarray(0, 4).equals(Buffer.from('PK\u0003\u0004'))) return officeMarkdown(bytes)
  if (bytes.subarray(0, 4).equals(Buffer.from([0xd0, 0xcf, 0x11, 0xe0]))) {
    throw new Error('it has the binary format of Office before 2007 or is encrypted; save it as .docx, .xlsx or .pptx')
  }
  const text = decoded(bytes)
  if (/^\s*</.test(text)) return htmlMarkdown(text)
  throw new Error('its content is not that of a document')
}

function decoded(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  const [, charset = 'utf-8'] = /<meta[^>]+charset=["']?([\w-]+)/i.exec(bytes.toString('latin1', 0, 2048)) ?? []
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}

async function pdfMarkdown(bytes: Buffer): Promise<string> {
  const document = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 })
  const { text } = await extractText(document, { mergePages: false })
  if (text.every(page => page.trim() === '')) throw new Error('its pages have no text: they are pictures')
  return text.map((page, n) => `## Page ${n + 1}\n\n${page.trim()}`).join('\n\n')
}

async function officeMarkdown(bytes: Buffer): Promise<string> {
  const files = inflated(bytes)
  if (files['word/document.xml']) {
    const convertImage = mammoth.images.imgElement(async () => ({ src: '' }))
    const { value } = await mammoth.convertToHtml(
      { buffer: packed(files) },
      { convertImage, externalFileAccess: false },
    )
    return htmlMarkdown(value)
  }
  if (files['xl/workbook.xml']) {
    const sheets = await readSheets(packed(files))
    return sheets
      .map(({ sheet, data }) => `## ${sheet}\n\n${markdownTable(data.map(row => row.map(cell)))}`)
      .join('\n\n')
  }
  if (files['ppt/presentation.xml']) return slidesMarkdown(files)
  throw new Error('it is an archive, but of no document')
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  return value instanceof Date ? value.toISOString().replace(/T00:00:00\.000Z$/, '') : String(value)
}

function htmlMarkdown(html: string): string {
  const turndown = new Turndown({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' })
  turndown.use(gfm)
  turndown.remove(['script', 'style', 'noscript', 'title', 'head' as 'title'])
  return turndown.turndown(html)
}
