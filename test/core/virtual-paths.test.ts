import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  artifactUrl,
  checkName,
  extensionOf,
  markdownName,
  numbered,
  segmentsOf,
  virtualPath,
} from '../../src/core/virtual-paths.ts'

const refusedWith = (code: string) => (error: unknown) => (error as { code?: string }).code === code

test('a virtual path with and without its slash, and back', () => {
  for (const path of [
    '/mnt/user-data/uploads/a b.txt',
    'mnt/user-data/uploads/a b.txt',
    '/mnt//user-data/./uploads/a b.txt',
  ]) {
    assert.deepEqual(segmentsOf(path), ['uploads', 'a b.txt'])
  }
  assert.equal(virtualPath(['uploads', 'a b.txt']), '/mnt/user-data/uploads/a b.txt')
  assert.deepEqual(segmentsOf('/mnt/user-data'), [])
  assert.equal(
    artifactUrl('t', ['outputs', 'ä 1%.txt']),
    '/api/threads/t/artifacts/mnt/user-data/outputs/%C3%A4%201%25.txt',
  )
})

test('what leads out is forbidden; what is elsewhere is no path', () => {
  for (const path of [
    '/mnt/user-data/../x',
    'mnt/user-data/uploads/../../x',
    '/mnt/user-data/uploads/..',
    '../mnt/user-data',
  ]) {
    assert.throws(() => segmentsOf(path), refusedWith('forbidden'), path)
  }
  const others = ['', '/', '/mnt', '/etc/passwd', '/mnt/user-data-evil/x', '/mnt/user-data/uploads-evil/x', 'uploads/x']
  for (const path of [...others, '/mnt/user-data/x.txt', '/MNT/user-data/uploads/x']) {
    assert.throws(() => segmentsOf(path), refusedWith('malformed'), path)
  }
})

test('no path that is put together from hostile parts comes out with a part that leads anywhere', () => {
  const parts = [
    '..',
    '.',
    '',
    'mnt',
    'user-data',
    'uploads',
    'a',
    '..\\',
    '\\',
    '%2e%2e',
    '\0',
    'a\nb',
    '\ud800',
    'C:',
    '~',
    '…',
  ]
  let state = 7
  const next = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
  let taken = 0
  for (let n = 0; n < 20_000; n++) {
    const begin = n % 2 === 0 ? ['', 'mnt', 'user-data', 'uploads'] : []
    const path = [...begin, ...Array.from({ length: next(6) }, () => parts[next(parts.length)])].join('/')
    let segments: string[]
    try {
      segments = segmentsOf(path)
    } catch (error) {
      assert.ok(['forbidden', 'malformed'].includes((error as { code: string }).code), path)
      continue
    }
    taken++
    assert.ok(segments.length === 0 || segments[0] === 'uploads', path)
    for (const segment of segments) assert.doesNotMatch(segment, /^\.{0,2}$|[/\\\p{Cc}\p{Cs}]/u, path)
  }
  assert.ok(taken > 1_000, `${taken} were taken`)
})

test('names of files', () => {
  for (const name of ['a.txt', 'Übersicht 1.txt', '报告.pdf', '.env', 'a..b', '…', '-rf', 'x'.repeat(255)])
    checkName(name, 'files')
  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    'a\\b',
    'a\0',
    'a\nb',
    '\x7f',
    '\ud800',
    'x'.repeat(256),
    'ä'.repeat(128),
  ]) {
    assert.throws(() => checkName(name, 'files'), /^RunloomError: files: /, JSON.stringify(name))
  }
})

test('a number goes before the extension, and a name stays short enough', () => {
  assert.deepEqual(
    ['a.pdf', 'a', '.env', 'a.tar.gz', 'Ä b.txt'].map(name => numbered(name, 2)),
    ['a_2.pdf', 'a_2', '.env_2', 'a.tar_2.gz', 'Ä b_2.txt'],
  )
  assert.equal(numbered('a.pdf', 0), 'a.pdf')
  assert.equal(markdownName('a.b.pdf'), 'a.b.md')
  assert.equal(extensionOf('A.PDF'), 'pdf')
  for (const long of [`${'x'.repeat(251)}.pdf`, `${'😀'.repeat(62)}.pdf`]) {
    for (const name of [numbered(long, 12), markdownName(long)]) checkName(name, 'files')
    assert.match(numbered(long, 12), /_12\.pdf$/)
  }
})
