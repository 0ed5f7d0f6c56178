// Which addresses a request of somebody else's making may reach, however they are written, and that what was checked is
// what is connected to.
import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { AddressGuard, Refused } from '../../src/core/address-guard.ts'

const guard = new AddressGuard()
const checkUrl = (host: string) => guard.checkHost(new URL(`http://${host}/`))

describe('the address guard refuses', () => {
  const hosts = {
    loopback: ['127.0.0.1', '127.8.9.1', '[::1]', '127.0.0.1.'],
    'decimal, hexadecimal, octal and short forms': ['2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '127.1', '0'],
    'other digits': ['①②⑦.0.0.1', '１２７.0.0.1'],
    'names of this machine': ['localhost', 'LOCALHOST', 'localhost.', 'foo.localhost', 'foo.localhost.'],
    'private networks': ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '[fc00::1]', '[fdab::1]'],
    'link-local addresses': ['169.254.1.1', '[fe80::1]'],
    'metadata services': ['169.254.169.254', '100.100.100.200', '168.63.129.16', '192.0.0.192', '[fd00:ec2::254]'],
    'shared address space': ['100.64.0.1', '100.127.255.255'],
    'unspecified addresses': ['0.0.0.0', '[::]'],
    'IPv4 inside IPv6': [
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::ffff:8.8.8.8]',
      '[::127.0.0.1]',
      '[64:ff9b::127.0.0.1]',
      '[2002:7f00:1::]',
      '[2001:0:7f00:1::]',
    ],
    'multicast, broadcast and reserved addresses': ['224.0.0.1', '255.255.255.255', '240.0.0.1', '[ff02::1]'],
    'documentation and benchmark networks': ['192.0.2.1', '198.51.100.7', '203.0.113.9', '198.18.0.1', '[2001:db8::1]'],
  }
  for (const [kind, list] of Object.entries(hosts)) {
    test(kind, () => {
      for (const host of list) assert.throws(() => checkUrl(host), Refused, host)
    })
  }
})

test('the address guard lets public addresses and names through', () => {
  for (const host of ['8.8.8.8', '172.15.0.1', '172.32.0.1', '100.128.0.1', '[2606:4700:4700::1111]', 'example.com']) {
    checkUrl(host)
  }
})

test('an allowed network is let through, and no other', () => {
  const allowing = new AddressGuard(['127.0.0.0/8', 'fd00::/8', '10.1.2.3'])
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', 'fd00::1', '10.1.2.3']) assert.ok(allowing.allows(address))
  for (const address of ['::1', 'fe80::1', '10.1.2.4', '192.168.0.1']) assert.ok(!allowing.allows(address), address)
  allowing.checkHost(new URL('http://localhost./'))
  for (const odd of ['', 'x', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/x']) assert.throws(() => new AddressGuard([odd]))
})

test('a name is refused for what it resolves to, before anything is connected', async t => {
  let connections = 0
  const server = http.createServer((_, response) => response.end('reached')).listen(0, '127.0.0.1')
  server.on('connection', () => connections++)
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const get = (guard: AddressGuard, host: string) =>
    new Promise<string>((resolve, reject) => {
      const agent = new http.Agent({ lookup: guard.lookup })
      http
        .get({ host, port, agent }, response => response.on('data', data => resolve(String(data))))
        .on('error', reject)
    })
  await assert.rejects(get(guard, 'localhost'), Refused)
  assert.equal(connections, 0)
  assert.equal(await get(new AddressGuard(['127.0.0.0/8', '::1']), 'localhost'), 'reached')
})

test('the lookup answers in both forms that net.connect asks for', async () => {
  const allowing = new AddressGuard(['127.0.0.0/8', '::1'])
  const one = await new Promise(resolve => allowing.lookup('127.0.0.1', {}, (...answer) => resolve(answer)))
  assert.deepEqual(one, [null, '127.0.0.1', 4])
  const all = await new Promise(resolve => allowing.lookup('127.0.0.1', { all: true }, (...answer) => resolve(answer)))
  assert.deepEqual(all, [null, [{ address: '127.0.0.1', family: 4 }]])
})
