// PowerPoint as Markdown: a heading for each slide, its paragraphs as a list, its tables as tables.
import { posix } from 'node:path'
import { DOMParser } from '@xmldom/xmldom'
import type { ArchiveFiles } from './document-archive.ts'
import { markdownTable } from './markdown-table.ts'

/** Of the files of an unpacked presentation. */
export function slidesMarkdown(files: ArchiveFiles): string {
  return slidesOf(files)
    .map((slide, n) => slideMarkdown(slide, n + 1))
    .join('\n\n')
}

/** In their order. */
function slidesOf(files: ArchiveFiles): Element[] {
  const relations = parsed(files, 'ppt/_rels/presentation.xml.rels')
  const targets = new Map(
    all(relations, 'Relationship').map(one => [one.getAttribute('Id'), one.getAttribute('Target')]),
  )
  return all(parsed(files, 'ppt/presentation.xml'), 'p:sldId').map(slide => {
    const target = targets.get(slide.getAttribute('r:id')) ?? ''
    return parsed(files, target.startsWith('/') ? target.slice(1) : posix.join('ppt', target))
  })
}

function slideMarkdown(slide: Element, number: number): string {
  const blocks: string[] = []
  let title = ''
  for (const shape of [...all(slide, 'p:sp', 'p:graphicFrame')]) {
    const [table] = all(shape, 'a:tbl')
    if (table) {
      blocks.push(markdownTable(all(table, 'a:tr').map(row => all(row, 'a:tc').map(cell => textOf(cell)))))
      continue
    }
    const kind = all(shape, 'p:ph')[0]?.getAttribute('type') ?? ''
    if (/^(ctrT|t)itle$/.test(kind)) title ||= textOf(shape)
    else if (!/^(sldNum|dt|ftr)$/.test(kind)) blocks.push(all(shape, 'a:p').map(point).filter(Boolean).join('\n'))
  }
  return [`## ${title || `Slide ${number}`}`, ...blocks.filter(Boolean)].join('\n\n')
}

function point(paragraph: Element): string {
  const text = textOf(paragraph)
  const level = Number(all(paragraph, 'a:pPr')[0]?.getAttribute('lvl')) || 0
  return text && `${'  '.repeat(Math.min(level, 8))}- ${text}`
}

function textOf(element: Element): string {
  const pieces = all(element, 'a:t', 'a:br').map(piece => (piece.tagName === 'a:br' ? ' ' : (piece.textContent ?? '')))
  return pieces.join('').replaceAll(/\s+/g, ' ').trim()
}

function parsed(files: ArchiveFiles, path: string): Element {
  const file = files[path]
  if (!file) throw new Error(`it lacks ${path}`)
  const document = new DOMParser({
    errorHandler: { warning: () => {}, error: fail, fatalError: fail },
  }).parseFromString(new TextDecoder().decode(file), 'text/xml')
  return document.documentElement
}

function fail(problem: string): never {
  throw new Error(problem)
}

/** All elements below with one of these names, in the order of the document. */
function all(element: Element, ...names: string[]): Element[] {
  const every = element.getElementsByTagName(names.length === 1 ? (names[0] as string) : '*')
  return Array.from(every).filter(one => names.includes(one.tagName))
}
