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
