// Which network addresses a request of somebody else's making may reach. Names are resolved here, every address is
// checked, and the connection goes to a checked address itself: whoever controls the DNS cannot answer the check with one
// address and the connection with another. Everything private is refused unless the operator allowed its network.
import { lookup as resolve } from 'node:dns/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'

/** A request that the operator's rules forbid; trying it again would not help. */
export class Refused extends Error {
  override name = 'Refused'
}

/** What is no public unicast address: this host, private and shared networks, link-local, documentation, multicast. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32', // the metadata service of one cloud, at a public address
]

/** Public unicast addresses are in 2000::/3; of those, what carries an IPv4 address inside or is not for use. */
const UNICAST_IPV6 = ['2000::/3']
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const special = blockList([...SPECIAL_IPV4, ...SPECIAL_IPV6])
const unicast = blockList(UNICAST_IPV6)

export class AddressGuard {
  readonly #allowed: BlockList

  /** `networks`: private networks that may be reached, as `10.1.0.0/16` or single addresses. Throws on what is none. */
  constructor(networks: readonly string[] = []) {
    this.#allowed = blockList(networks)
  }

  /** Throws `Refused` unless the address may be reached. */
  check(address: string): void {
    if (!this.allows(address)) throw new Refused(`the address ${address} is not public, or reserved`)
  }

  allows(address: string): boolean {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (this.#allowed.check(address, family)) return true
    if (family === 'ipv4') return isIP(address) === 4 && !special.check(address, 'ipv4')
    return unicast.check(address, 'ipv6') && !special.check(address, 'ipv6')
  }

  /**
   * Throws `Refused` when a URL's host says by itself that it may not be reached: a literal address (`new URL` has
   * brought decimal, octal and hexadecimal forms into the usual one), or a name of this machine.
   */
  checkHost({ hostname }: URL): void {
    const host = hostname.replace(/^\[|\]$/g, '')
    if (isIP(host)) this.check(host)
    else if (/(^|\.)localhost\.?$/i.test(host) && !this.allows('127.0.0.1')) {
      throw new Refused(`the host ${hostname} is this machine`)
    }
  }

  /** Resolves a name for `net.connect`: all of its addresses must be allowed, and only they are connected to. */
  readonly lookup: LookupFunction = (hostname, { family, all }, done) => {
    const asked = family === 4 || family === 'IPv4' ? 4 : family === 6 || family === 'IPv6' ? 6 : 0
    resolve(hostname, { all: true, family: asked })
      .then(addresses => {
        for (const { address } of addresses) this.check(address)
        const [first] = addresses
        if (!first) throw new Error(`the host ${hostname} has no address`)
        return all ? () => done(null, addresses) : () => done(null, first.address, first.family)
      })
      .catch((error: Error) => () => done(error, ''))
      .then(answer => answer())
  }

  /** An agent for `node:http` or `node:https` that connects to allowed addresses only, with a new connection each time. */
  agent(url: URL): HttpAgent {
    this.checkHost(url) // a literal address is connected to without a lookup
    const options = { lookup: this.lookup, keepAlive: false }
    return url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
  }
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const bits = prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix)
    if (!isIP(address) || !Number.isInteger(bits) || prefix === '') throw new Error(`"${network}" is no network`)
    list.addSubnet(address, bits, family)
  }
  return list
}
