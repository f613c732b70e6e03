import { type LookupAddress, lookup as resolve } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { InputError } from '../../schema/errors.ts'

/** Why a target is refused. */
export type GuardRule =
  | 'url'
  | 'scheme'
  | 'credentials'
  | 'port'
  | 'local-name'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'shared'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'reserved'
  | 'documentation'
  | 'translated'

/** What nobody's webhook may reach. IANA special-purpose registries (RFC 6890 and its updates), and clouds' metadata services. */
const RANGES: readonly (readonly [GuardRule, readonly string[]])[] = [
  [
    'metadata',
    [
      '169.254.169.254/32',
      '169.254.170.2/32',
      '100.100.100.200/32',
      '168.63.129.16/32',
      '192.0.0.192/32',
      'fd00:ec2::254/128',
      'fd20:ce::254/128',
    ],
  ],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['shared', ['100.64.0.0/10']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['documentation', ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20']],
  [
    'reserved',
    [
      '192.0.0.0/24',
      '192.88.99.0/24',
      '198.18.0.0/15',
      '240.0.0.0/4',
      '100::/64',
      '2001:10::/28',
      '2001:20::/28',
      '5f00::/16',
    ],
  ],
  // An IPv4 address inside of an IPv6 one, that some router on the way would take out: NAT64, 6to4, Teredo, compatible.
  ['translated', ['64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32', '::/96']],
]

/** What the operator may open with `--allow-private`. */
const OPENED: ReadonlySet<GuardRule> = new Set(['loopback', 'private', 'shared', 'local-name', 'port'])

/** Services that are no web servers: what a request would say to them is not for us to choose. */
const REFUSED_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
  109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514,
  515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719,
  1720, 1723, 2049, 2181, 2375, 2376, 2379, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5984, 6000, 6379,
  6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9200, 9300, 10080, 11211, 27017,
])

const LOCAL_NAMES =
  /(?:^|\.)(?:localhost|local|internal|intranet|lan|home|corp|private|home\.arpa|localdomain|ip6-localhost|ip6-loopback)$/

export interface GuardSettings {
  /** Addresses, networks (`10.1.0.0/16`) and host names that webhooks may reach all the same. */
  allow: readonly string[]
  lookup?: typeof resolve
}

export interface TargetGuard {
  /** @throws InputError, with the rule in `details`, for a target that must not be asked. */
  check(url: string, options: { allowPrivate: boolean }): URL
  /** Resolves a name once: the address that was checked is the one that is connected to. */
  lookup(options: { allowPrivate: boolean }): LookupFunction
}

/** Keeps webhooks from reaching what only this machine and its network may (server-side request forgery). */
export function createTargetGuard({ allow, lookup = resolve }: GuardSettings): TargetGuard {
  const lists = RANGES.map(([rule, networks]) => [rule, blockList(networks)] as const)
  const allowedNetworks = blockList(allow.filter(entry => isIP(entry.split('/')[0]!) !== 0))
  const allowedHosts = new Set(
    allow.filter(entry => isIP(entry.split('/')[0]!) === 0).map(entry => entry.toLowerCase()),
  )

  function ruleOf(address: string): GuardRule | null {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    // An IPv4 list is asked of ::ffff:a.b.c.d too, but only in that one form.
    const found = lists.find(([, list]) => list.check(address, family))
    return found?.[0] ?? null
  }

  function refusal(address: string, allowPrivate: boolean): GuardRule | null {
    const rule = ruleOf(address)
    if (rule === null || rule === 'metadata') return rule
    if (allowedNetworks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return null
    return allowPrivate && OPENED.has(rule) ? null : rule
  }

  return {
    check(text, { allowPrivate }) {
      const url = URL.canParse(text) ? new URL(text) : null
      if (url === null) throw refused('url', 'expected https://host/path', text)
      const host = bare(url.hostname)
      const isAllowed = allowedHosts.has(host)
      if (url.protocol !== 'https:' && url.protocol !== 'http:')
        throw refused('scheme', 'expected https or http', `${url.protocol}//…`)
      if (url.username !== '' || url.password !== '')
        throw refused('credentials', 'expected no user and password in the URL', `${url.protocol}//…@${host}`)
      if (host === '') throw refused('url', 'expected a host', text)
      if (isIP(host) !== 0) {
        const rule = refusal(host, allowPrivate || isAllowed)
        if (rule !== null) throw refused(rule, 'expected a public address', host)
      } else if (!(allowPrivate || isAllowed) && (LOCAL_NAMES.test(host) || !host.includes('.')))
        throw refused('local-name', 'expected a public name', host)
      if (!(allowPrivate || isAllowed) && url.port !== '' && REFUSED_PORTS.has(Number(url.port)))
        throw refused('port', 'expected a port of a web server', url.port)
      return url
    },

    lookup:
      ({ allowPrivate }) =>
      (hostname, options, callback) => {
        const isAllowed = allowedHosts.has(bare(hostname))
        lookup(bare(hostname), { ...options, all: true }, (error, found) => {
          if (error) {
            callback(error, '', 0)
            return
          }
          const addresses = found as LookupAddress[]
          // One bad address among good ones is one too many: it might be the one that is taken.
          for (const { address } of addresses) {
            const rule = refusal(address, allowPrivate || isAllowed)
            if (rule === null) continue
            callback(refused(rule, `expected that ${hostname} is a public address`, address), '', 0)
            return
          }
          const [first] = addresses
          if (options.all) callback(null, addresses)
          else if (first) callback(null, first.address, first.family)
          else callback(refused('url', `expected an address of ${hostname}`, 'none'), '', 0)
        })
      },
  }
}

/** Without brackets, final dot and capital letters. */
function bare(host: string): string {
  return host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address, bits] = network.split('/') as [string, string | undefined]
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  return list
}

function refused(rule: GuardRule, expected: string, got: string): InputError {
  const isOpened = OPENED.has(rule)
  return new InputError(`webhook target refused (${rule}): ${expected}, got ${got}`, {
    details: { rule },
    ...(isOpened && {
      hint: 'for a target on this machine or in a private network the operator gives --allow-private, or lists it under webhooks.allow in wanlian.yaml',
    }),
  })
}
