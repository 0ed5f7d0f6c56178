// Small real documents, made here: what a word processor, a spreadsheet, a presentation and a printer would write.
import { strToU8, zipSync } from 'fflate'

const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006'

const CONTENT_TYPES = `<Types xmlns="${PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>
  <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>`

/** An archive of texts by their paths. */
export function archive(files: Record<string, string>): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(files).map(([path, text]) => [path, strToU8(text)] as const)
  return new Uint8Array(zipSync(Object.fromEntries(entries)))
}

function office(main: string, files: Record<string, string>) {
  const root = relations([['officeDocument', main]])
  return archive({ '[Content_Types].xml': CONTENT_TYPES, '_rels/.rels': root, ...files })
}

function relations(targets: [type: string, target: string][]): string {
  const all = targets.map(
    ([type, target], n) => `<Relationship Id="rId${n + 1}" Type="${OFFICE}/${type}" Target="${target}"/>`,
  )
  return `<Relationships xmlns="${PACKAGE}/relationships">${all.join('')}</Relationships>`
}

/** A heading and a paragraph. */
export function wordDocument(heading: string, text: string) {
  const style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
  const paragraph = (content: string, before = '') => `<w:p>${before}<w:r><w:t>${content}</w:t></w:r></w:p>`
  const body = `<w:body>${paragraph(heading, style)}${paragraph(text)}</w:body>`
  const xmlns = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main'
  return office('word/document.xml', { 'word/document.xml': `<w:document xmlns:w="${xmlns}">${body}</w:document>` })
}

/** One sheet. Numbers are numbers. */
export function spreadsheet(name: string, rows: (string | number)[][]) {
  const xmlns = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
  const cell = (value: string | number, n: number, row: number) => {
    const at = `${String.fromCharCode(65 + n)}${row + 1}`
    return typeof value === 'number'
      ? `<c r="${at}"><v>${value}</v></c>`
      : `<c r="${at}" t="inlineStr"><is><t>${value}</t></is></c>`
  }
  const data = rows.map((row, n) => `<row r="${n + 1}">${row.map((one, m) => cell(one, m, n)).join('')}</row>`)
  return office('xl/workbook.xml', {
    'xl/workbook.xml': `<workbook xmlns="${xmlns}" xmlns:r="${OFFICE}"><sheets><sheet name="${name}" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': relations([['worksheet', 'worksheets/sheet1.xml']]),
    'xl/worksheets/sheet1.xml': `<worksheet xmlns="${xmlns}"><sheetData>${data.join('')}</sheetData></worksheet>`,
  })
}

/** Slides with a title and points; stored in another order than shown. */
export function presentation(slides: { title: string; points: string[] }[]) {
  const main = 'http://schemas.openxmlformats.org/presentationml/2006/main'
  const drawing = 'http://schemas.openxmlformats.org/drawingml/2006/main'
  const xmlns = `xmlns:p="${main}" xmlns:a="${drawing}" xmlns:r="${OFFICE}"`
  const file = (n: number) => `slides/slide${slides.length - n}.xml`
  const paragraph = (text: string) => `<a:p><a:r><a:t>${text}</a:t></a:r></a:p>`
  const shape = (texts: string[], type = '') =>
    `<p:sp><p:nvSpPr><p:nvPr>${type}</p:nvPr></p:nvSpPr><p:txBody>${texts.map(paragraph).join('')}</p:txBody></p:sp>`
  const pages = slides.map(({ title, points }, n) => {
    const shapes = shape([title], '<p:ph type="title"/>') + shape(points)
    return [`ppt/${file(n)}`, `<p:sld ${xmlns}><p:cSld><p:spTree>${shapes}</p:spTree></p:cSld></p:sld>`] as const
  })
  const ids = slides.map((_, n) => `<p:sldId id="${256 + n}" r:id="rId${n + 1}"/>`)
  return office('ppt/presentation.xml', {
    'ppt/presentation.xml': `<p:presentation ${xmlns}><p:sldIdLst>${ids.join('')}</p:sldIdLst></p:presentation>`,
    'ppt/_rels/presentation.xml.rels': relations(slides.map((_, n) => ['slide', file(n)])),
    ...Object.fromEntries(pages),
  })
}

/** One page with one line. */
export function pdf(text: string): Uint8Array<ArrayBuffer> {
  const content = `BT /F1 24 Tf 72 720 Td (${text}) Tj ET`
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>',
    `<</Length ${content.length}>>stream\n${content}\nendstream`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
  ]
  const body = objects.map((object, n) => `${n + 1} 0 obj${object}endobj`).join('\n')
  return new Uint8Array(Buffer.from(`%PDF-1.4\n${body}\ntrailer<</Root 1 0 R>>\n%%EOF`))
}
