// Skills (contracts: gateway §2, §3.7): listed, switched, installed from archives that may be hostile, and read by the agent.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import * as protocol from '../../src/protocol/skills.ts'
import { forEachDatabase } from '../support/databases.ts'
import { temporaryFolder } from '../support/server.ts'
import { type ZipEntry, zipOf } from '../support/zip.ts'
import { type AgentServer, startAgentServer, startScriptedModel, systemOf, talk, toolsOf } from './agent-harness.ts'
import { ask, call, refused } from './gateway-harness.ts'

const head = (name: string, description = `How to ${name}.`) => `---\nname: ${name}\ndescription: ${description}\n---\n`

forEachDatabase('skills', open => {
  const folder = temporaryFolder()
  const skills = join(folder.path, 'skills')
  let server: AgentServer
  let other: AgentServer | undefined
  let model: Awaited<ReturnType<typeof startScriptedModel>>
  before(async () => {
    model = await startScriptedModel()
    const url = await open()
    const setup = { folder: folder.path, model_url: model.url }
    server = await startAgentServer(url, setup)
    // On SQLite one process owns the file.
    if (url.startsWith('postgres')) other = await startAgentServer(url, setup)
  })
  after(async () => {
    await server.close()
    await other?.close()
    await model.close()
    folder.remove()
  })
  afterEach(() => rmSync(skills, { recursive: true, force: true }))

  function write(category: string, name: string, text: string, more: Record<string, string> = {}) {
    const at = join(skills, category, name)
    mkdirSync(at, { recursive: true })
    for (const [file, content] of Object.entries({ 'SKILL.md': text, ...more })) writeFileSync(join(at, file), content)
    return at
  }
  const put = (name: string, enabled: unknown, on = server) =>
    call(on, `/skills/${name}`, undefined, { method: 'PUT', body: JSON.stringify({ enabled }) })
  const install = (archive: Buffer, init: RequestInit = {}) =>
    call(server, '/skills/install', undefined, { method: 'POST', body: archive as never, ...init })
  const names = async () => (await ask(server, '/skills')).skills.map(({ name }: { name: string }) => name)

  test('those that there are, of both categories, and what is none', async () => {
    assert.deepEqual(await ask(server, '/skills'), { skills: [] })
    write('public', 'b', head('haiku'))
    write('public', 'a', '---\nname: essay\ndescription: "Long: texts"\nlicense: MIT\nversion: 3\n---\nWrite.')
    write('custom', 'haiku', head('haiku', 'Ours.'))
    write('public', 'broken', 'no front matter')
    write('public', '.hidden', head('hidden'))
    const { skills: listed } = protocol.skillList.parse(await ask(server, '/skills'))
    assert.deepEqual(listed, [
      { name: 'essay', description: 'Long: texts', license: 'MIT', category: 'public', enabled: true },
      { name: 'haiku', description: 'Ours.', license: null, category: 'custom', enabled: true },
    ])
    assert.deepEqual(await ask(server, '/skills/haiku'), listed[1])
    await ask(server, '/skills')
    const faults = server.logged.filter(({ message }) => message === 'a skill cannot be used')
    assert.equal(faults.length, 1)
    assert.match(String(faults[0]?.fields?.fault), /broken: SKILL.md must begin with front matter/)
  })

  test('switched off and on, for every process', async () => {
    write('public', 'haiku', head('haiku'))
    const off = protocol.skill.parse(await (await put('haiku', false)).json())
    assert.equal(off.enabled, false)
    for (const one of [server, other ?? server]) assert.equal((await ask(one, '/skills/haiku')).enabled, false)
    await put('haiku', true, other ?? server)
    assert.equal((await ask(server, '/skills')).skills[0].enabled, true)
  })

  test('what is not there or makes no sense', async () => {
    write('public', 'haiku', head('haiku'))
    assert.match((await refused(server, 404, '/skills/none')).detail, /none/)
    assert.equal((await put('none', true)).status, 404)
    const wrong = await put('haiku', 'yes')
    assert.equal(wrong.status, 422)
    assert.deepEqual(((await wrong.json()) as { detail: { loc: string[] }[] }).detail[0]?.loc, ['body', 'enabled'])
    assert.equal((await ask(server, '/skills/haiku')).enabled, true)
  })

  for (const [shape, top] of [
    ['at its top', ''],
    ['in its one folder', 'whatever/'],
  ] as const) {
    test(`installed from an archive that has it ${shape}`, async () => {
      const archive = zipOf([
        { name: `${top}SKILL.md`, content: `${head('haiku')}Five, seven, five.` },
        { name: `${top}examples/old pond.txt`, content: 'A frog jumps in' },
        { name: `${top}link`, content: '/etc/passwd', mode: 0o120777 },
        { name: '__MACOSX/SKILL.md', content: 'x' },
      ])
      const response = await install(archive)
      assert.equal(response.status, 200)
      const answer = protocol.installedSkill.parse(await response.json())
      assert.deepEqual([answer.success, answer.skill_name], [true, 'haiku'])
      assert.equal((await ask(server, '/skills/haiku')).category, 'custom')
      const at = join(skills, 'custom', 'haiku')
      assert.equal(readFileSync(join(at, 'examples', 'old pond.txt'), 'utf8'), 'A frog jumps in')
      assert.ok(!readdirSync(at).includes('link'))
      const again = await install(archive)
      assert.equal(again.status, 409)
      assert.match(await again.text(), /haiku/)
      assert.deepEqual(readdirSync(join(skills, 'custom')), ['haiku'])
    })
  }

  const zeros = Buffer.alloc(11 * 1024 * 1024)
  const good = { name: 'SKILL.md', content: head('haiku') }
  const hostile: [what: string, archive: () => Buffer, reason: RegExp][] = [
    ['no zip', () => Buffer.from('#!/bin/sh'), /archive is not taken/],
    ['nothing', () => Buffer.alloc(0), /archive is not taken/],
    ['an empty archive', () => zipOf([]), /it is empty/],
    ['only folders', () => zipOf([{ name: 'a/' }, { name: 'b/' }]), /it is empty/],
    ['an archive cut short', () => zipOf([good]).subarray(0, -30), /archive is not taken/],
    ['an absolute path', () => zipOf([good, { name: '/tmp/evil.txt', content: 'x' }]), /absolute path/],
    ['a path of Windows', () => zipOf([good, { name: 'C:/evil.txt', content: 'x' }]), /absolute path/],
    ['a backslash', () => zipOf([good, { name: '..\\evil.txt', content: 'x' }]), /invalid characters/],
    ['a path that leads out', () => zipOf([good, { name: 'a/../../evil.txt', content: 'x' }]), /invalid relative path/],
    ['a name twice', () => zipOf([good, good]), /EEXIST/],
    ['a file that is a folder, too', () => zipOf([good, { name: 'SKILL.md/x', content: 'x' }]), /EEXIST|ENOTDIR/],
    ['a bomb', () => zipOf([good, ...bomb()]), /unpacks to more than/],
    ['a bomb that lies', () => zipOf([good, { name: 'b', content: zeros, claimed_size: 10 }]), /too many bytes/],
    ['very many files', () => zipOf(Array.from({ length: 2_001 }, (_, n) => ({ name: `f${n}` }))), /2000 entries/],
    [
      'no SKILL.md',
      () =>
        zipOf([
          { name: 'README.md', content: 'x' },
          { name: 'b', content: 'x' },
        ]),
      /no SKILL\.md/,
    ],
    ['a link as SKILL.md', () => zipOf([{ ...good, mode: 0o120777 }, { name: 'b' }]), /no SKILL\.md/],
    ['no front matter', () => zipOf([{ ...good, content: '# Haiku' }]), /front matter/],
    ['front matter without end', () => zipOf([{ ...good, content: '---\nname: haiku' }]), /front matter/],
    ['front matter that is no YAML', () => zipOf([{ ...good, content: '---\nname: [\n---\n' }]), /no YAML/],
    ['front matter that is a list', () => zipOf([{ ...good, content: '---\n- name\n---\n' }]), /expected object/],
    ['no description', () => zipOf([{ ...good, content: '---\nname: haiku\n---\n' }]), /description/],
    ...['Haiku', 'ha iku', '../haiku', 'ha--iku', '-haiku', '.haiku', 'h'.repeat(65), ''].map(
      (name): (typeof hostile)[number] => [
        `the name "${name}"`,
        () => zipOf([{ ...good, content: `---\nname: "${name}"\ndescription: x\n---\n` }]),
        /front matter of SKILL\.md: name/,
      ],
    ),
  ]
  function bomb(): ZipEntry[] {
    return Array.from({ length: 10 }, (_, n) => ({ name: `zeros${n}`, content: zeros }))
  }
  for (const [what, archive, reason] of hostile) {
    test(`${what} is refused, and leaves nothing`, async () => {
      const response = await install(archive())
      const text = await response.text()
      assert.equal(response.status, 400, text)
      assert.match(text, reason)
      assert.deepEqual(readdirSync(join(skills, 'custom')), [])
      assert.deepEqual(
        readdirSync(folder.path).filter(name => name.includes('evil')),
        [],
      )
      assert.deepEqual(await names(), [])
    })
  }

  test('installed from a file of a thread; what is no such file is refused', async () => {
    const { thread_id } = await ask(server, '/threads', {})
    const form = new FormData()
    form.append('files', new File([zipOf([good]) as never], 'haiku.skill'))
    form.append('files', new File(['text'], 'haiku.txt'))
    await ask(server, `/threads/${thread_id}/uploads`, undefined, { method: 'POST', body: form })
    const from = (path: string, thread = thread_id) => call(server, '/skills/install', { thread_id: thread, path })
    const uploads = '/mnt/user-data/uploads'
    for (const [status, path, thread] of [
      [404, `${uploads}/other.skill`],
      [404, `${uploads}/haiku.skill`, crypto.randomUUID()],
      [403, `${uploads}/../../haiku.skill`],
      [400, '/etc/haiku.skill'],
      [422, `${uploads}/haiku.txt`],
      [422, uploads],
    ] as const) {
      const response = await from(path, thread)
      assert.equal(response.status, status, `${path}: ${await response.text()}`)
    }
    assert.deepEqual(await names(), [])
    assert.equal((await from(`${uploads}/haiku.skill`)).status, 200)
    assert.equal((await from('mnt/user-data/uploads/haiku.skill')).status, 409)
    assert.deepEqual(await names(), ['haiku'])
  })

  test('two installations at once: one is done, the other refused', async () => {
    const archive = zipOf([{ name: 'SKILL.md', content: head('haiku') }])
    const statuses = (await Promise.all([1, 2, 3].map(() => install(archive)))).map(({ status }) => status)
    assert.deepEqual(statuses.sort(), [200, 409, 409])
    assert.deepEqual(readdirSync(join(skills, 'custom')), ['haiku'])
  })

  test('the agent is offered those that are on, and reads one', async () => {
    write('public', 'haiku', `${head('haiku')}Five, seven, five.`, { 'example.txt': 'A frog jumps in' })
    write('public', 'essay', head('essay'))
    await put('essay', false)
    const said = await talk(server, 'call read_skill {"skill":"haiku"}')
    assert.match(said, /Five, seven, five\.\n\nOther files of this skill:\nexample\.txt$/)
    const request = model.requests.at(-1)?.body as never
    assert.match(systemOf(request), /- haiku: How to haiku\.$/)
    assert.doesNotMatch(systemOf(request), /essay/)
    assert.ok(toolsOf(request).includes('read_skill'))
    const example = 'call read_skill {"skill":"haiku","path":"example.txt"}'
    assert.equal(await talk(server, example), 'The tool said: A frog jumps in')
    const none = { context: { available_skills: [] } }
    assert.match(await talk(server, example, none), /not for this run/)
    await talk(server, 'hello', none)
    assert.doesNotMatch(systemOf(model.requests.at(-1)?.body as never), /haiku/)
  })

  test('the agent reads nothing else', async () => {
    const at = write('public', 'haiku', head('haiku'), { 'bytes.bin': 'a\0b' })
    write('public', 'essay', head('essay'))
    writeFileSync(join(folder.path, 'secret.txt'), 'a secret')
    symlinkSync(join(folder.path, 'secret.txt'), join(at, 'link.txt'))
    await put('essay', false)
    for (const [args, reason] of [
      [{ skill: 'haiku', path: '../../../secret.txt' }, /no file/],
      [{ skill: 'haiku', path: join(folder.path, 'secret.txt') }, /no file/],
      [{ skill: 'haiku', path: 'link.txt' }, /no file/],
      [{ skill: 'haiku', path: '.' }, /no file/],
      [{ skill: 'haiku', path: 'bytes.bin' }, /not text/],
      [{ skill: 'essay' }, /switched off/],
      [{ skill: '../haiku' }, /not found/],
    ] as const) {
      const said = await talk(server, `call read_skill ${JSON.stringify(args)}`)
      assert.match(said, reason)
      assert.doesNotMatch(said, /a secret/)
    }
  })

  test('without skills there is no tool for them', async () => {
    await talk(server, 'hello')
    assert.ok(!toolsOf(model.requests.at(-1)?.body as never).includes('read_skill'))
  })
})
