// Markdown of models and users: HTML in it is shown as text, addresses are of pages and mail alone, and pictures are named but
// not fetched. A text that grows, or is long, is cut into blocks: each is read once, and none holds the page up.
import { memo, useMemo } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { CodeBlock } from './code-block.tsx'

/** Longer texts are shown as they are. */
const MOST_CHARS = 300_000
/** From here on a text stays in its blocks when it grows no more. */
const LONG_CHARS = 16_000
/** What is longer without an empty line, code apart, is cut where a line or a word ends. */
const MOST_BLOCK = 4_000

/** No row of a table, and nothing that belongs to what is above it. */
const STANDS_ALONE = /^[^\s|]/
const PIECES = new RegExp(`.{1,${MOST_BLOCK}}(?:\\s|$)|\\S{${MOST_BLOCK}}`, 'gsu')

const components: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noopener noreferrer" className="text-accent underline underline-offset-2">
      {children}
    </a>
  ),
  img: ({ alt, src }) => (
    <span className="text-muted">
      [picture: {alt || 'without a description'} {typeof src === 'string' && src}]
    </span>
  ),
  pre: ({ node }) => {
    const code = node?.children[0]
    if (code?.type !== 'element') return null
    const text = code.children.map(child => (child.type === 'text' ? child.value : '')).join('')
    const [, language] = /language-(\S+)/.exec([code.properties.className].flat().join(' ')) ?? []
    return <CodeBlock text={text.replace(/\n$/, '')} language={language} />
  },
  table: ({ children }) => (
    <div className="overflow-x-auto">
      <table>{children}</table>
    </div>
  ),
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} components={components}>
      {text}
    </ReactMarkdown>
  )
})

export const Markdown = memo(function Markdown({ text, growing }: { text: string; growing?: boolean }) {
  const blocks = useMemo(() => (growing || text.length > LONG_CHARS ? blocksOf(text) : [text]), [text, growing])
  if (text.length > MOST_CHARS) return <pre className="text-xs break-words whitespace-pre-wrap">{text}</pre>
  return (
    <div dir="auto" className="prose">
      {blocks.map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </div>
  )
})

/** Cut at empty lines that are not inside a block of code. What follows never changes a block that has an end. */
function blocksOf(text: string): string[] {
  const blocks: string[] = []
  let block = ''
  let fence = ''
  const cut = () => {
    blocks.push(block)
    block = ''
  }
  for (const line of text.split(/(?<=\n)/).flatMap(piecesOf)) {
    if (!fence && block.length >= MOST_BLOCK && STANDS_ALONE.test(line)) cut()
    const [, mark = ''] = /^\s*(`{3,}|~{3,})/.exec(line) ?? []
    if (mark && !fence) fence = mark
    else if (fence && mark.startsWith(fence)) fence = ''
    block += line
    if (!fence && line.trim() === '' && block.trim() !== '') cut()
  }
  return block === '' ? blocks : [...blocks, block]
}

function piecesOf(line: string): string[] {
  return line.length <= MOST_BLOCK ? [line] : (line.match(PIECES) ?? [])
}
