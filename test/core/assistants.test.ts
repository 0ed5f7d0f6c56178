// System assistants: they follow the configuration on every start, and what users made of them stays.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { patchAssistant, searchVersions, setLatestVersion } from '../../src/core/assistant-versions.ts'
import { createAssistant, deleteAssistant, getAssistant, syncSystemAssistants } from '../../src/core/assistants.ts'
import type { RunloomError } from '../../src/core/errors.ts'
import { newId } from '../../src/core/ids.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type Core, openCore } from './harness.ts'

forEachDatabase('system assistants', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())

  const start = (...graphs: [graph_id: string, description: string | null][]) =>
    core.db.run(
      syncSystemAssistants,
      graphs.map(([graph_id, description]) => ({ graph_id, description })),
    )
  const descriptions = async (graph_id: string) => {
    const { versions } = await core.db.run(searchVersions, { assistant_id: graph_id, limit: 10, offset: 0 })
    return versions.map(({ version, description }) => [version, description])
  }

  test('the description follows the configuration, also where users changed other things', async () => {
    await start(['follows', 'old'])
    await core.db.run(patchAssistant, {
      assistant_id: 'follows',
      metadata: { mine: true },
      config: '{"tags":["mine"]}',
    })
    await start(['follows', 'new'])
    const { description, version, config, metadata, name } = await core.db.run(getAssistant, {
      assistant_id: 'follows',
    })
    assert.deepEqual([description, version, config, name], ['new', 2, '{"tags":["mine"]}', 'follows'])
    assert.deepEqual(JSON.parse(metadata), { created_by: 'system', mine: true })
    assert.deepEqual(await descriptions('follows'), [
      [2, 'new'],
      [1, 'new'],
    ])
    await start(['follows', null])
    assert.equal((await core.db.run(getAssistant, { assistant_id: 'follows' })).description, null)
  })

  test('a description that a user wrote stays, and the original can be had again', async () => {
    await start(['kept', 'old'])
    await core.db.run(patchAssistant, { assistant_id: 'kept', metadata: {}, description: 'mine' })
    await start(['kept', 'new'])
    assert.equal((await core.db.run(getAssistant, { assistant_id: 'kept' })).description, 'mine')
    await core.db.run(setLatestVersion, { assistant_id: 'kept', version: 1 })
    assert.equal((await core.db.run(getAssistant, { assistant_id: 'kept' })).description, 'new')
  })

  test('starting again changes nothing', async () => {
    await start(['same', 'description'])
    const assistant = await core.db.run(getAssistant, { assistant_id: 'same' })
    await start(['same', 'description'])
    assert.deepEqual(await core.db.run(getAssistant, { assistant_id: 'same' }), assistant)
  })

  test('one can be deleted only when its graph is no longer configured', async () => {
    const conflict = (error: RunloomError) => error.code === 'conflict'
    await start(['removed', null], ['other', null])
    await assert.rejects(core.db.run(deleteAssistant, { assistant_id: 'removed' }), conflict)
    await start(['other', null])
    await core.db.run(deleteAssistant, { assistant_id: 'removed' })
    await start(['removed', null], ['other', null])
    await assert.rejects(core.db.run(deleteAssistant, { assistant_id: 'removed' }), conflict)
    assert.equal((await core.db.run(getAssistant, { assistant_id: 'removed' })).version, 1)
  })

  test('metadata that claims so makes nobody a system assistant', async () => {
    const content = { graph_id: 'other', name: 'n', description: null, config: '{}', context: '{}' }
    const metadata = '{"created_by":"system"}'
    const assistant_id = newId()
    await core.db.run(createAssistant, { assistant_id, ...content, metadata, if_exists: 'raise' })
    await core.db.run(deleteAssistant, { assistant_id })
  })
})
