import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { type BaseMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { Command, MemorySaver } from '@langchain/langgraph'
import { writeText } from '../../src/agent/file-texts.ts'
import { fileTools } from '../../src/agent/file-tools.ts'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { messageFiles } from '../../src/agent/message-files.ts'
import { ChatModels } from '../../src/agent/models.ts'
import { newId } from '../../src/core/ids.ts'
import { ThreadFiles } from '../../src/core/thread-files.ts'
import { createThread } from '../../src/core/threads.ts'
import { Uploads } from '../../src/core/uploads.ts'
import { type Core, openCore } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type ChatRequest, type ScriptedReply, startOpenAIServer } from '../support/openai-server.ts'
import { temporaryFolder } from '../support/server.ts'

/** What a client could send so that it is not asked. */
const NO_QUESTIONS = { interruptOn: {} }

type Call = NonNullable<ScriptedReply['calls']>[number]

forEachDatabase("the agent's files", open => {
  let core: Core
  let files: ThreadFiles
  let uploads: Uploads
  const folder = temporaryFolder()

  before(async () => {
    core = await openCore(await open())
    files = new ThreadFiles({ db: core.db, folder: folder.path, logger: () => {} })
    const limits = { max_files: 20, max_file_size: 1e6, max_total_size: 1e6 }
    uploads = new Uploads({ files, documents: undefined, limits })
  })
  after(async () => {
    await files.close()
    await core.close()
    folder.remove()
  })

  /** An agent whose model makes these calls, one message each, then says `done`. */
  async function agent(t: TestContext, turns: Call[][], { approve_writes = false } = {}) {
    const thread_id = newId()
    await core.db.run(createThread, { thread_id, metadata: '{}', hidden: 0, if_exists: 'raise' })
    const seen: ChatRequest[] = []
    const left = [...turns]
    const server = await startOpenAIServer({
      script: request => {
        seen.push(request)
        const calls = left.shift()
        return calls ? { calls } : { text: 'done' }
      },
    })
    t.after(server.close)
    const { graph } = leadAgent({
      model: await new ChatModels([], 'openai:fake', { OPENAI_BASE_URL: server.url }).get('default'),
      files: fileTools(files, { approve_writes }),
      uploads: messageFiles({ files, uploads }),
    })
    graph.checkpointer = new MemorySaver()
    const config = { configurable: { thread_id } }
    const ask = (message: HumanMessage | Command) =>
      graph.invoke(message instanceof Command ? message : { messages: [message] }, { ...config, context: NO_QUESTIONS })
    return { thread_id, seen, ask }
  }
  async function put(thread_id: string, segments: string[], content: string | Uint8Array) {
    await files.put(thread_id, segments, await files.stage([Buffer.from(content)]), 'replace')
  }
  const results = (messages: BaseMessage[]) =>
    messages
      .filter(message => ToolMessage.isInstance(message))
      .map(message => (message.status === 'error' ? { error: message.text } : message.text))
  const say = (text: string) => new HumanMessage(text)

  test('files are written, listed, read, edited, searched and presented', async t => {
    const path = '/mnt/user-data/outputs/report/r.md'
    const { ask } = await agent(t, [
      [{ name: 'write_file', args: { path, content: 'One\ntwo\nthree\ntwo' } }],
      [{ name: 'list_files', args: {} }],
      [{ name: 'read_file', args: { path, from_line: 2, to_line: 3 } }],
      [{ name: 'edit_file', args: { path, old_text: 'two', new_text: 'x' } }],
      [{ name: 'edit_file', args: { path, old_text: 'One', new_text: '$& one' } }],
      [{ name: 'edit_file', args: { path, old_text: 'two', new_text: '2', replace_all: true } }],
      [{ name: 'read_file', args: { path } }],
      [{ name: 'search_files', args: { text: 'THREE' } }],
      [{ name: 'search_files', args: { text: 'nowhere' } }],
      [{ name: 'present_files', args: { paths: [path, path.slice(1)] } }],
      [{ name: 'present_files', args: { paths: [path] } }],
    ])
    const { messages, artifacts } = (await ask(say('write'))) as { messages: BaseMessage[]; artifacts?: string[] }
    assert.deepEqual(results(messages).slice(0, 9), [
      `17 bytes written to ${path}`,
      `${path} (17 bytes)`,
      'two\nthree\n(lines 2 to 3 of 4)',
      { error: 'old_text: it is there 2 times; give more of it, or set replace_all' },
      `1 place changed in ${path}`,
      `2 places changed in ${path}`,
      '$& one\n2\nthree\n2',
      `${path}:3: three`,
      'No file has this text.',
    ])
    assert.deepEqual(artifacts, [path])
    assert.equal(messages.at(-1)?.text, 'done')
  })

  test('what cannot be done is told to the model, and nothing outside of the thread is touched', async t => {
    const calls: [Call, RegExp][] = [
      [{ name: 'read_file', args: { path: '/etc/passwd' } }, /must be below one of/],
      [{ name: 'read_file', args: { path: '/mnt/user-data/../../etc/passwd' } }, /leads out/],
      [{ name: 'read_file', args: { path: '/mnt/user-data/uploads/none' } }, /There is no file/],
      [{ name: 'read_file', args: { path: '/mnt/user-data/uploads/binary' } }, /not a text file/],
      [{ name: 'read_file', args: { path: '/mnt/user-data/uploads/a', from_line: 9 } }, /the file has 1 lines/],
      [{ name: 'write_file', args: { path: '/mnt/user-data/uploads/a', content: 'x' } }, /write a file below/],
      [
        { name: 'edit_file', args: { path: '/mnt/user-data/uploads/a', old_text: 'a', new_text: 'b' } },
        /write a file below/,
      ],
      [{ name: 'write_file', args: { path: '/mnt/user-data/outputs', content: 'x' } }, /write a file below/],
      [{ name: 'present_files', args: { paths: ['/mnt/user-data/outputs/none'] } }, /There is no file/],
      [{ name: 'list_files', args: { path: '/mnt/user-data/outputs/none' } }, /There is no file/],
    ]
    const { thread_id, ask } = await agent(t, [calls.map(([call]) => call)])
    await put(thread_id, ['uploads', 'binary'], Buffer.from([1, 0, 2]))
    await put(thread_id, ['uploads', 'a'], 'a')
    const { messages } = await ask(say('try'))
    for (const [n, result] of results(messages).entries()) {
      assert.match((result as { error: string }).error, calls[n]?.[1] as RegExp)
    }
    const huge = writeText(files, thread_id, ['outputs', 'x'], 'x'.repeat(11e6))
    await assert.rejects(huge, /at most 10485760 are written/)
    assert.deepEqual(await files.list(thread_id, ['outputs']), [])
  })

  test('a long file comes in parts', async t => {
    const path = '/mnt/user-data/workspace/long'
    const read = (from_line: number): Call[] => [{ name: 'read_file', args: { path, from_line } }]
    const { thread_id, ask } = await agent(t, [read(1), read(1001), read(2500)])
    const lines = Array.from({ length: 2500 }, (_, n) => `line ${n + 1}`)
    await put(thread_id, ['workspace', 'long'], lines.join('\n'))
    const [first, second, last] = results((await ask(say('read'))).messages) as string[]
    assert.ok(first?.startsWith('line 1\n') && first.endsWith('line 1000\n(lines 1 to 1000 of 2500)'))
    assert.ok(second?.startsWith('line 1001\n') && second.endsWith('(lines 1001 to 2000 of 2500)'))
    assert.equal(last, 'line 2500\n(lines 2500 to 2500 of 2500)')
  })

  test('a write waits for the user where that is configured, whatever the context says', async t => {
    const write = (name: string): Call[] => [
      { name: 'write_file', args: { path: `/mnt/user-data/outputs/${name}`, content: name } },
    ]
    const { thread_id, ask } = await agent(t, [[{ name: 'list_files', args: {} }], write('a'), write('b')], {
      approve_writes: true,
    })
    const names = async () => (await files.list(thread_id, ['outputs'])).map(entry => entry.name)
    const asked = (await ask(say('write'))) as { __interrupt__?: { value: { actionRequests: { name: string }[] } }[] }
    assert.deepEqual(
      asked.__interrupt__?.[0]?.value.actionRequests.map(action => action.name),
      ['write_file'],
    )
    assert.deepEqual(await names(), [])
    await ask(new Command({ resume: { decisions: [{ type: 'approve' }] } }))
    assert.deepEqual(await names(), ['a'])
    const { messages } = await ask(new Command({ resume: { decisions: [{ type: 'reject', message: 'not b' }] } }))
    assert.deepEqual(await names(), ['a'])
    assert.deepEqual(results(messages).at(-1), { error: 'not b' })
    assert.equal(messages.at(-1)?.text, 'done')
  })

  test('the model is told of the files of a message, with an outline; the message stays as it was', async t => {
    const { thread_id, seen, ask } = await agent(t, [])
    await put(thread_id, ['uploads', 'a.pdf'], 'pdf')
    await put(thread_id, ['uploads', 'a.md'], '<!-- text of a.pdf -->\n\n# One\n\ntext\n\n## Two\n')
    await put(thread_id, ['uploads', 'notes.md'], 'plain\nlines\n')
    for (let n = 0; n < 12; n++) await put(thread_id, ['uploads', `${n}.txt`], 'x')
    const given = ['a.pdf', 'notes.md', 'gone.txt', '../../secret', 7]
    const asked = new HumanMessage({
      id: 'q1',
      content: 'sum it up',
      additional_kwargs: { files: given.map(filename => ({ filename, size: 1, path: '/etc/passwd' })) },
    })
    const { messages } = await ask(asked)
    const told =
      '<uploaded_files>\nThe user has uploaded with this message:\n' +
      '- /mnt/user-data/uploads/a.pdf (3 bytes), its text is /mnt/user-data/uploads/a.md\n  # One\n  ## Two\n' +
      '- /mnt/user-data/uploads/notes.md (12 bytes)\n  plain\n  lines\n</uploaded_files>\n\nsum it up'
    assert.equal(seen[0]?.messages.at(-1)?.content, told)
    assert.deepEqual([messages[0]?.content, messages[0]?.id], ['sum it up', 'q1'])

    const many = Array.from({ length: 12 }, (_, n) => ({ filename: `${n}.txt` }))
    const blocks = [{ type: 'text', text: 'and these' }]
    await ask(new HumanMessage({ content: blocks, additional_kwargs: { files: many } }))
    const [, first, , second] = seen[1]?.messages ?? []
    assert.doesNotMatch(String(first?.content), /# One/)
    assert.match(String(first?.content), /uploads\/a\.pdf/)
    const text = JSON.stringify(second?.content)
    assert.equal(text.match(/uploads\/\d+\.txt \(1 bytes\)/g)?.length, 10)
    assert.match(text, /and these/)
  })
})
