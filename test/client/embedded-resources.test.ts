// Models, files, skills, MCP servers and memory by the embedded client (contracts: gateway §3.1, §3.7, §4.1). Each method checks what it gets by the
// schema of its route; `call` of the engine would throw where they differ.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createMiddleware } from 'langchain'
import { type ErrorCode, RunloomClient, RunloomError } from '../../src/index.ts'
import { echo } from '../fixtures/api/graphs.ts'
import { zipOf } from '../support/zip.ts'

const CONFIG = `
models:
  - name: quick
    provider: offline
    display_name: Quick
    supports_vision: true
  - name: clever
    provider: offline
`

let folder: string
let client: RunloomClient
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runloom-embedded-'))
  const config = join(folder, 'runloom.yaml')
  await writeFile(config, CONFIG)
  client = new RunloomClient({ config, data: join(folder, 'data'), env: {}, graphs: { echo } })
})
after(async () => {
  await client.close()
  await rm(folder, { recursive: true, force: true })
})

const refused = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof RunloomError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

async function file(name: string, content = `content of ${name}`): Promise<string> {
  const path = join(await mkdtemp(join(folder, 'given-')), name)
  await writeFile(path, content)
  return path
}

const namesOf = ({ files }: { files: { filename: string }[] }) => files.map(({ filename }) => filename).sort()
const textOf = ({ content }: { content: Uint8Array }) => new TextDecoder().decode(content)

test('models: listed with what they can, found by name, null for an unknown one', async () => {
  const { models } = await client.listModels()
  assert.deepEqual(
    models.map(({ name, display_name, supports_vision }) => [name, display_name, supports_vision]),
    [
      ['quick', 'Quick', true],
      ['clever', 'clever', false],
    ],
  )
  assert.deepEqual(await client.getModel('quick'), models[0])
  for (const name of ['nobody', '..', '']) assert.equal(await client.getModel(name), null)
})

test('a fresh thread has no uploads, and is not made by asking', async () => {
  assert.deepEqual(await client.listUploads('fresh'), { files: [], count: 0 })
  await assert.rejects(client.getThread('fresh'), refused('not_found'))
})

test('files: uploaded, listed, read as artifacts, deleted', async () => {
  const answer = await client.uploadFiles('files', [await file('a b.txt'), await file('größe.md')])
  assert.equal(answer.success, true)
  assert.deepEqual(namesOf(answer), ['a b.txt', 'größe.md'])
  assert.equal(answer.files[0]?.virtual_path, '/mnt/user-data/uploads/a b.txt')
  assert.equal((await client.listUploads('files')).count, 2)
  for (const path of ['/mnt/user-data/uploads/a b.txt', 'mnt/user-data/uploads/a b.txt']) {
    const artifact = await client.getArtifact('files', path)
    assert.deepEqual([textOf(artifact), artifact.mime_type], ['content of a b.txt', 'text/plain'])
  }
  assert.equal((await client.deleteUpload('files', 'a b.txt')).success, true)
  assert.deepEqual(namesOf(await client.listUploads('files')), ['größe.md'])
  await assert.rejects(client.deleteUpload('files', 'a b.txt'), refused('not_found'))
})

test('files of one name are kept apart, in one call and over several', async () => {
  await client.uploadFiles('twice', [await file('x.txt', 'one'), await file('x.txt', 'two'), await file('y.txt')])
  assert.deepEqual(namesOf(await client.listUploads('twice')), ['x.txt', 'x_1.txt', 'y.txt'])
  assert.equal(textOf(await client.getArtifact('twice', '/mnt/user-data/uploads/x_1.txt')), 'two')
})

test('what is no file is refused, and nothing of the call is uploaded', async () => {
  const good = await file('good.txt')
  const directory = join(folder, 'directory')
  await mkdir(directory, { recursive: true })
  await assert.rejects(client.uploadFiles('none', [good, join(folder, 'missing.txt')]), refused('not_found'))
  await assert.rejects(client.uploadFiles('none', [good, directory]), refused('malformed'))
  await assert.rejects(client.uploadFiles('none', []), refused('malformed'))
  assert.deepEqual(await client.listUploads('none'), { files: [], count: 0 })
})

test('a document that cannot be converted is uploaded, without its companion', async () => {
  const { success, files } = await client.uploadFiles('broken', [await file('broken.pdf', 'no PDF at all')])
  assert.equal(success, true)
  assert.deepEqual([files[0]?.filename, files[0]?.markdown_file], ['broken.pdf', undefined])
})

test('names and paths that lead out are refused', async () => {
  await client.uploadFiles('paths', [await file('a.txt')])
  for (const name of ['..', '.', '', '../a.txt', 'x/../../a.txt', 'a\\b', '%2e%2e']) {
    await assert.rejects(client.deleteUpload('paths', name), refused(name === '%2e%2e' ? 'not_found' : 'malformed'))
  }
  const cases: [string, ErrorCode][] = [
    ['/mnt/user-data/uploads/missing.txt', 'not_found'],
    ['/mnt/user-data/uploads/../../../etc/passwd', 'forbidden'],
    ['mnt/user-data/../secret', 'forbidden'],
    ['mnt/user-data-evil/a.txt', 'malformed'],
    ['/etc/passwd', 'malformed'],
    ['uploads/a.txt', 'malformed'],
    ['/mnt/user-data/uploads', 'malformed'],
    ['/mnt/user-data', 'malformed'],
    ['', 'malformed'],
  ]
  for (const [path, code] of cases) await assert.rejects(client.getArtifact('paths', path), refused(code), path)
  assert.equal((await client.listUploads('paths')).count, 1)
})

test('a link among the uploads is never followed', async () => {
  const [uploaded] = (await client.uploadFiles('links', [await file('a.txt')])).files
  const target = await file('target.txt', 'outside')
  const link = join(folder, 'data', uploaded?.path ?? '', '../link.txt')
  await symlink(target, link)
  await assert.rejects(client.getArtifact('links', '/mnt/user-data/uploads/link.txt'), RunloomError)
  await client.deleteUpload('links', 'link.txt').catch(() => undefined)
  const again = await client.uploadFiles('other', [target])
  assert.equal(again.success, true, 'the target is still there')
})

test('threads do not see each other’s files', async () => {
  await client.uploadFiles('mine', [await file('mine.txt')])
  await client.uploadFiles('yours', [await file('yours.txt')])
  assert.deepEqual(namesOf(await client.listUploads('mine')), ['mine.txt'])
  await assert.rejects(client.getArtifact('mine', '/mnt/user-data/uploads/yours.txt'), refused('not_found'))
})

test('middlewares of one’s own stand around the calls of the lead agent’s model', async () => {
  const asked: number[] = []
  const counting = createMiddleware({
    name: 'Counting',
    wrapModelCall: (request, handler) => {
      asked.push(request.messages.length)
      return handler(request)
    },
  })
  await using own = new RunloomClient({ data: join(folder, 'own'), env: {}, middlewares: [counting] })
  assert.match(await own.chat('What is 6 * 7?'), /42/)
  assert.deepEqual(asked, [1, 3])
})

test('a goal: set, told to every turn of its thread, cleared; refused where it says nothing', async () => {
  const seen: string[] = []
  const listening = createMiddleware({
    name: 'Listening',
    wrapModelCall: (request, handler) => {
      seen.push(request.systemMessage.text)
      return handler(request)
    },
  })
  await using own = new RunloomClient({ data: join(folder, 'goal'), env: {}, middlewares: [listening] })
  await own.chat('Hello', { threadId: 'aim' })
  assert.deepEqual(await own.getGoal('aim'), { goal: null })
  assert.deepEqual(await own.setGoal('aim', 'Learn to weave'), { goal: 'Learn to weave' })
  assert.deepEqual(await own.getGoal('aim'), { goal: 'Learn to weave' })
  await own.chat('Hello', { threadId: 'aim' })
  assert.deepEqual(await own.clearGoal('aim'), { goal: null })
  await own.chat('Hello', { threadId: 'aim' })
  assert.deepEqual(
    seen.map(text => text.includes('Learn to weave')),
    [false, true, false],
  )
  await assert.rejects(own.setGoal('aim', ' '), refused('invalid'))
  await assert.rejects(own.setGoal('nowhere', 'x'), refused('not_found'))
})

test('files first, then a turn on their thread', async () => {
  await client.uploadFiles('talk', [await file('talk.txt')])
  assert.equal(await client.chat('hello', { threadId: 'talk', assistantId: 'echo' }), 'hello')
  assert.equal((await client.listUploads('talk')).count, 1)
})

test('skills: installed, listed, switched, found; null for an unknown one', async () => {
  const skill = '---\nname: haiku\ndescription: How to write a haiku.\n---\nFive, seven, five.'
  const archive = join(folder, 'haiku.skill')
  await writeFile(archive, zipOf([{ name: 'haiku/SKILL.md', content: skill }]))
  assert.deepEqual(await client.listSkills(), { skills: [] })
  assert.deepEqual(await client.installSkill(archive), {
    success: true,
    skill_name: 'haiku',
    message: "Skill 'haiku' installed successfully",
  })
  assert.equal((await client.getSkill('haiku'))?.enabled, true)
  assert.equal((await client.updateSkill('haiku', false)).enabled, false)
  assert.deepEqual((await client.listSkills({ enabledOnly: true })).skills, [])
  assert.deepEqual(
    (await client.listSkills()).skills.map(({ name }) => name),
    ['haiku'],
  )
  assert.equal(await client.getSkill('nobody'), null)
  await assert.rejects(client.updateSkill('nobody', true), refused('not_found'))
  await assert.rejects(client.installSkill(archive), refused('conflict'))
})

test('what is no archive of a skill is refused', async () => {
  const write = async (name: string, content: string | Buffer) => {
    const path = join(folder, name)
    await writeFile(path, content)
    return path
  }
  await assert.rejects(client.installSkill(join(folder, 'missing.skill')), refused('not_found'))
  await assert.rejects(client.installSkill(folder), refused('malformed'))
  await assert.rejects(client.installSkill(await write('skill.txt', 'text')), refused('malformed'))
  await assert.rejects(client.installSkill(await write('text.skill', 'no zip')), RunloomError)
  const escaping = zipOf([{ name: '../SKILL.md', content: 'x' }])
  await assert.rejects(client.installSkill(await write('escaping.skill', escaping)), RunloomError)
})

test('MCP servers: put in the place of all that there were, their secrets masked', async () => {
  assert.deepEqual(await client.getMcpConfig(), { mcp_servers: {} })
  const given = { files: { type: 'stdio' as const, command: 'files-server', env: { TOKEN: 'secret' }, enabled: false } }
  const { mcp_servers } = await client.updateMcpConfig(given)
  const { files } = mcp_servers
  assert.ok(files?.type === 'stdio')
  assert.deepEqual([files.command, files.env], ['files-server', { TOKEN: '***' }])
  assert.deepEqual((await client.getMcpConfig()).mcp_servers, mcp_servers)
  assert.equal(await client.chat('hello', { threadId: 'mcp', assistantId: 'echo' }), 'hello')
  await assert.rejects(client.updateMcpConfig({ 'bad name': given.files }), refused('invalid'))
  assert.deepEqual(await client.updateMcpConfig({}), { mcp_servers: {} })
})

test('memory: facts made, changed, deleted; exported, cleared, imported', async () => {
  assert.deepEqual((await client.getMemory()).facts, [])
  const made = await client.createMemoryFact({ content: 'Likes tea', confidence: 0.9 })
  const id = made.facts[0]?.id ?? ''
  const changed = await client.updateMemoryFact(id, { content: 'Likes green tea' })
  assert.deepEqual(
    changed.facts.map(({ content, confidence, category }) => [content, confidence, category]),
    [['Likes green tea', 0.9, 'context']],
  )
  const exported = await client.exportMemory()
  assert.deepEqual(exported, await client.getMemory())
  assert.deepEqual(await client.reloadMemory(), exported)
  assert.deepEqual((await client.clearMemory()).facts, [])
  assert.deepEqual((await client.importMemory(exported)).facts, exported.facts)
  assert.deepEqual((await client.deleteMemoryFact(id)).facts, [])
  await assert.rejects(client.deleteMemoryFact(id), refused('not_found'))
  await assert.rejects(client.updateMemoryFact(id, { content: 'x' }), refused('not_found'))
  await assert.rejects(client.createMemoryFact({ content: ' ' }), refused('invalid'))
  const { config, data } = await client.getMemoryStatus()
  assert.deepEqual(config, await client.getMemoryConfig())
  assert.deepEqual(data, await client.getMemory())
})
