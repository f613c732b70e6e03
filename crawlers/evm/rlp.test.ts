import { keccak256 as ethersKeccak, encodeRlp as ethersRlp, hexlify, toBeArray } from 'ethers'
import { describe, expect, it } from 'vitest'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { keccak256 } from './hash.ts'
import { decodeRlp, encodeRlp, type RlpItem, rlpQuantity, rlpSize } from './rlp.ts'
import { EMPTY_TRIE_ROOT, orderedTrieRoot } from './trie.ts'

type Nested = string | Nested[]

function forEthers(item: RlpItem): Nested {
  if (typeof item === 'bigint') return item === 0n ? '0x' : hexlify(toBeArray(item))
  return item instanceof Uint8Array ? hexlify(item) : item.map(forEthers)
}

const samples: RlpItem[] = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x100n,
  (1n << 48n) - 1n,
  1n << 48n,
  (1n << 64n) - 1n,
  1n << 64n,
  (1n << 256n) - 1n,
  Buffer.alloc(0),
  Buffer.from([0]),
  Buffer.from([0x7f]),
  Buffer.from([0x80]),
  ...[55, 56, 255, 256, 65_535, 65_536].map(size => Buffer.alloc(size, 7)),
  [],
  [[], [[]], [1n, [Buffer.from('cat'), 2n]]],
  Array.from({ length: 56 }, () => 1n),
  Array.from({ length: 300 }, (_, at) => [BigInt(at), Buffer.alloc(at, at)]),
]

describe('RLP', () => {
  it.each(samples.map((item, at) => [at, item] as const))(
    'sample %i is written as ethers writes it',
    (_, item) => {
      const bytes = encodeRlp(item)
      expect(hexlify(bytes)).toBe(ethersRlp(forEthers(item)))
      expect(rlpSize(item)).toBe(bytes.length)
      expect(hexlify(encodeRlp(decodeRlp(bytes)))).toBe(hexlify(bytes))
    },
  )

  it('puts a type byte in front', () => {
    expect(encodeRlp([1n], 2).toString('hex')).toBe('02c101')
  })

  it.each([
    ['nothing', ''],
    ['a cut string', '83616263'.slice(0, 6)],
    ['a cut list', 'c38080'],
    ['more than one item', '8080'],
    ['a byte that stands for itself', '8101'],
    ['a long form for a short string', `b801${'61'}`],
    ['a length with a leading zero', `b900${'38'}${'61'.repeat(56)}`],
    ['an item beyond its list', 'c28361'],
    ['a length of 2^64', 'bfffffffffffffffff'],
    ['deep nesting', 'c1'.repeat(40)],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeRlp(Buffer.from(hex, 'hex'))).toThrow(MalformedAnswerError)
  })

  it('refuses quantities with leading zeros or too many bytes', () => {
    expect(() => rlpQuantity(Buffer.from('0001', 'hex'), 'x')).toThrow('leading zero')
    expect(() => rlpQuantity(Buffer.alloc(9, 1), 'x', 8)).toThrow('at most 8 bytes')
    expect(rlpQuantity(Buffer.from('ffffffffffffffff', 'hex'), 'x', 8)).toBe((1n << 64n) - 1n)
  })
})

/** The trie by its definition (Yellow Paper, appendix D), without any care for speed. */
function slowRoot(values: readonly Uint8Array[]): string {
  const pairs = values.map((value, place): [string, string] => [
    ethersRlp(place === 0 ? '0x' : hexlify(toBeArray(place))).slice(2),
    hexlify(value),
  ])
  const compact = (path: string, leaf: number): string => {
    const odd = path.length % 2
    return `0x${(leaf * 2 + odd).toString(16)}${odd ? '' : '0'}${path}`
  }
  const node = (left: [string, string][]): Nested => {
    if (left.length === 1) return [compact(left[0]![0], 1), left[0]![1]]
    let shared = 0
    while (left.every(([path]) => path[shared] !== undefined && path[shared] === left[0]![0][shared]))
      shared++
    if (shared > 0) {
      const below = left.map(([path, value]): [string, string] => [path.slice(shared), value])
      return [compact(left[0]![0].slice(0, shared), 0), reference(below)]
    }
    const children = '0123456789abcdef'.split('').map((digit): Nested => {
      const below = left
        .filter(([path]) => path.startsWith(digit))
        .map(([path, value]): [string, string] => [path.slice(1), value])
      return below.length === 0 ? '0x' : reference(below)
    })
    return [...children, '0x']
  }
  const reference = (left: [string, string][]): Nested => {
    const made = node(left)
    const bytes = ethersRlp(made)
    return bytes.length < 2 + 64 ? made : ethersKeccak(bytes)
  }
  return ethersKeccak(ethersRlp(node(pairs)))
}

describe('ordered trie', () => {
  it.each([1, 2, 3, 16, 17, 127, 128, 129, 130, 255, 256, 257, 300])('%i values', count => {
    for (const size of [1, 20, 31, 32, 100]) {
      const values = Array.from({ length: count }, (_, at) => Buffer.alloc(size, at))
      expect(hexlify(orderedTrieRoot(values))).toBe(slowRoot(values))
    }
  })

  it('without values', () => {
    expect(EMPTY_TRIE_ROOT.toString('hex')).toBe(
      '56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421',
    )
  })
})

describe('keccak', () => {
  it.each([0, 1, 135, 136, 137, 1000])('%i bytes, in one piece or two', size => {
    const bytes = Buffer.alloc(size, 5)
    const expected = ethersKeccak(bytes)
    expect(hexlify(keccak256(bytes))).toBe(expected)
    expect(hexlify(keccak256(bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)))).toBe(expected)
  })
})
