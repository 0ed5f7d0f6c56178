// Multitask strategies, cancels, deletes and crashes against a model: random sequences on both databases, the model
// predicting every answer and all there is to see after every step. More of them:
//
//   npx node test/model/multitask.test.ts --sequences 5000 --seed 1
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parseArgs } from 'node:util'
import { Random } from '../simulation/random.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type Command, difference, draw, shrink } from './sequences.ts'
import { openSystems } from './system.ts'

const { values } = parseArgs({ options: { sequences: { type: 'string' }, seed: { type: 'string' } }, strict: false })
const first = Number(values.seed ?? 1)
const LENGTH = 40

forEachDatabase('runs and threads do what the model says', open => {
  let systems: Awaited<ReturnType<typeof openSystems>>
  let count: number
  before(async () => {
    const url = await open()
    systems = await openSystems(url)
    count = Number(values.sequences ?? (url.startsWith('sqlite:') ? 600 : 100))
  })
  after(() => systems.close())

  const parts = async (commands: readonly Command[]) => difference(commands, await systems.fresh())

  test(`in random sequences of ${LENGTH} commands`, async () => {
    for (let seed = first; seed < first + count; seed++) {
      const commands = draw(new Random(seed), LENGTH)
      if ((await parts(commands)) === undefined) continue
      const shortest = await shrink(commands, async shorter => (await parts(shorter)) !== undefined)
      const steps = shortest.map((command, index) => `${index + 1}. ${JSON.stringify(command)}`)
      assert.fail(`seed ${seed}: ${await parts(shortest)}\n${steps.join('\n')}`)
    }
  })
})
