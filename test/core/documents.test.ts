import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { zipSync } from 'fflate'
import { Documents } from '../../src/core/documents.ts'
import { archive, pdf, presentation, spreadsheet, wordDocument } from '../support/office.ts'
import { temporaryFolder } from '../support/server.ts'

function converter(t: TestContext, timeout_ms = 60_000) {
  const folder = temporaryFolder()
  const reasons: string[] = []
  const documents = new Documents({
    timeout_ms,
    logger: (_level, _message, fields) => reasons.push(String(fields?.reason)),
  })
  t.after(async () => {
    await documents.close()
    folder.remove()
  })
  const convert = (name: string, content: string | Uint8Array) => {
    const path = join(folder.path, name)
    writeFileSync(path, content)
    return documents.toMarkdown(path, name)
  }
  return { documents, convert, reasons }
}

test('each kind of document becomes Markdown', async t => {
  const { convert, reasons } = converter(t)
  const slides = [
    { title: 'First', points: ['one', 'two'] },
    { title: 'Second', points: [] },
  ]
  const page =
    '<html><head><title>no</title></head><body><h2>Head</h2><script>no()</script><p>a <b>b</b></p></body></html>'
  const results = await Promise.all([
    convert('a.docx', wordDocument('Chapter', 'Words &amp; more')),
    convert(
      'a.xlsx',
      spreadsheet('Costs', [
        ['item', 'eur'],
        ['tea | milk', 12.5],
      ]),
    ),
    convert('a.pptx', presentation(slides)),
    convert('a.html', page),
    convert('a.PDF', pdf('Hello paper')),
  ])
  assert.deepEqual(results, [
    '# Chapter\n\nWords & more\n',
    '## Costs\n\n| item | eur |\n| --- | --- |\n| tea \\| milk | 12.5 |\n',
    '## First\n\n- one\n- two\n\n## Second\n',
    '## Head\n\na **b**\n',
    '## Page 1\n\nHello paper\n',
  ])
  assert.deepEqual(reasons, [])
})

test('the content says what it is, not the name; a name of no document is not looked at', async t => {
  const { convert, reasons } = converter(t)
  assert.equal(await convert('a.doc', wordDocument('Really', 'new')), '# Really\n\nnew\n')
  assert.equal(
    await convert('a.xls', '<table><tr><th>x</th></tr><tr><td>1</td></tr></table>'),
    '| x   |\n| --- |\n| 1   |\n',
  )
  assert.equal(await convert('a.txt', wordDocument('Not', 'asked')), undefined)
  assert.deepEqual(reasons, [])
})

test('what cannot be converted is told in the log, and hurts nothing', async t => {
  const { convert, reasons } = converter(t)
  const cases: [name: string, content: string | Uint8Array, reason: RegExp][] = [
    ['a.docx', 'no archive', /not that of a document/],
    ['b.docx', archive({ 'a.xml': '<a/>' }), /of no document/],
    ['c.docx', wordDocument('', '').subarray(0, 200), /./],
    ['d.doc', Buffer.from('d0cf11e0a1b11ae1', 'hex'), /before 2007/],
    ['e.pdf', '%PDF-1.4 nothing', /./],
    ['f.pdf', pdf(''), /no text/],
    ['g.docx', zipSync({ 'word/document.xml': new Uint8Array(300 * 1024 * 1024) }, { level: 1 }), /too large/],
    ['h.pptx', archive({ 'ppt/presentation.xml': '<p:presentation' }), /./],
  ]
  for (const [name, content, reason] of cases) {
    assert.equal(await convert(name, content), undefined, name)
    assert.match(reasons.pop() ?? 'nothing was logged', reason, name)
  }
  assert.equal(await convert('after.html', '<p>still here</p>'), 'still here\n')
})

test('what takes too long is ended, and who closes does not wait for it', async t => {
  const slow = `<p>${'<b>'.repeat(200_000)}`
  const { convert, reasons } = converter(t, 1)
  assert.equal(await convert('a.html', slow), undefined)
  assert.match(reasons[0] ?? '', /longer than 1 ms/)
  const other = converter(t)
  const converting = other.convert('a.html', slow)
  await other.documents.close()
  assert.equal(await converting, undefined)
})
