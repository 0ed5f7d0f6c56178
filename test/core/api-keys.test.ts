// API keys: what is made, what is taken, and what of it is kept.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { ApiKeys, namedHash, newApiKey } from '../../src/core/api-keys.ts'

test('a new key is long, begins with mr_sk_, and is another every time', () => {
  assert.match(newApiKey(), /^mr_sk_[\w-]{43}$/)
  assert.notEqual(newApiKey(), newApiKey())
})

test('a key may do everything, or what its entry says', () => {
  const [all, some] = [newApiKey(), newApiKey()]
  const entry = namedHash('some', some, ['threads:read', 'runs:create'])
  assert.match(entry, /^some:[0-9a-f]{64}:threads:read\+runs:create$/)
  const keys = new ApiKeys([namedHash('all', all), entry])
  assert.deepEqual(keys.find(all)?.permissions, [])
  assert.deepEqual(keys.find(some)?.permissions, ['threads:read', 'runs:create'])
  assert.throws(() => new ApiKeys([`${entry}+`]), /"" is no scope; use threads:read, /)
})

test('a key is found by itself or by its hash, and by nothing else', () => {
  const key = newApiKey()
  const keys = new ApiKeys([namedHash('ci', key), 'a-plain-key-of-mine'])
  assert.equal(keys.find(key)?.identity, 'ci')
  assert.match(keys.find('a-plain-key-of-mine')?.identity ?? '', /^key-[0-9a-f]{8}$/)
  for (const wrong of ['', `${key} `, key.slice(1), namedHash('ci', key), namedHash('ci', key).slice(3)]) {
    assert.equal(keys.find(wrong), undefined)
  }
  assert.doesNotMatch(inspect(keys, { depth: 9 }), /a-plain-key/)
})

test('keys of one owner are one user; a key that has an owner’s name but is not theirs is refused', () => {
  const [one, two, mine] = [newApiKey(), newApiKey(), newApiKey()]
  const entries = [namedHash('old@team-a', one), namedHash('new@team-a', two, ['runs:read']), namedHash('mine', mine)]
  const keys = new ApiKeys(entries)
  assert.deepEqual(
    [one, two].map(key => [keys.find(key)?.identity, keys.find(key)?.key_owner, keys.find(key)?.display_name]),
    [
      ['team-a', 'team-a', 'old'],
      ['team-a', 'team-a', 'new'],
    ],
  )
  assert.deepEqual(keys.find(two)?.permissions, ['runs:read'])
  assert.equal('key_owner' in (keys.find(mine) ?? {}), false)
  assert.throws(() => new ApiKeys([...entries, namedHash('team-a', newApiKey())]), /"team-a" is an owner/)
  for (const name of ['a@b@c', 'a@', 'a@b.c']) {
    assert.throws(() => new ApiKeys([namedHash(name, one)]), /is no name of a key/)
  }
})
