// Markdown of models and users: HTML in it is shown as text, addresses are of pages and mail alone, and pictures are named but
// not fetched. A text that still grows is cut into blocks, of which only the last is read again.
import { memo, useMemo } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { CodeBlock } from './code-block.tsx'

/** Longer texts are shown as they are. */
const MOST_CHARS = 300_000

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
  const blocks = useMemo(() => (growing ? blocksOf(text) : [text]), [text, growing])
  if (text.length > MOST_CHARS) return <pre className="text-xs break-words whitespace-pre-wrap">{text}</pre>
  return (
    <div dir="auto" className="prose">
      {blocks.map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </div>
  )
})

/** Cut at empty lines that are not inside a block of code. */
function blocksOf(text: string): string[] {
  const blocks: string[] = []
  let block = ''
  let fence = ''
  for (const line of text.split(/(?<=\n)/)) {
    const [, mark = ''] = /^\s*(`{3,}|~{3,})/.exec(line) ?? []
    if (mark && !fence) fence = mark
    else if (fence && mark.startsWith(fence)) fence = ''
    block += line
    if (!fence && line.trim() === '' && block.trim() !== '') {
      blocks.push(block)
      block = ''
    }
  }
  return block === '' ? blocks : [...blocks, block]
}
