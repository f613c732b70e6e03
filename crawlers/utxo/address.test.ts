import { createHash } from 'node:crypto'
import { address, networks, payments } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import {
  type AddressRules,
  formatAddress,
  formatBase58Check,
  formatBech32,
  formatCashAddress,
} from './address.ts'
import { readScript } from './script.ts'

const bitcoin: AddressRules = { keyHash: 0x00, scriptHash: [0x05], bech32: 'bc' }
const litecoin: AddressRules = { keyHash: 0x30, scriptHash: [0x32, 0x05], bech32: 'ltc' }
const dogecoin: AddressRules = { keyHash: 0x1e, scriptHash: [0x16], bech32: null }
const everything = { segwit: true, mweb: true }

/** Bytes that look like nothing in particular, always the same for a seed. */
function bytes(seed: string, size: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at * 32 < size; at++) parts.push(createHash('sha256').update(`${seed} ${at}`).digest())
  return Buffer.concat(parts).subarray(0, size)
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

function addressOf(script: Buffer, rules = bitcoin): string {
  return formatAddress(script, readScript(script, everything), rules)
}

describe('addresses', () => {
  test('Base58Check equals bitcoinjs-lib for every version byte and for leading zeros', () => {
    const hashes: Buffer[] = [
      Buffer.alloc(20),
      Buffer.concat([Buffer.alloc(5), bytes('z', 15)]),
      Buffer.alloc(20, 0xff),
    ]
    for (let at = 0; at < 200; at++) hashes.push(bytes(`hash ${at}`, 20))
    for (const [at, hash] of hashes.entries()) {
      for (const version of [0x00, 0x05, 0x30, 0x32, 0x1e, 0x6f, 0xc4, at & 0xff]) {
        expect(formatBase58Check(version, hash)).toBe(address.toBase58Check(hash, version))
      }
    }
  })

  test('bech32 and bech32m equal bitcoinjs-lib', () => {
    for (let at = 0; at < 100; at++) {
      const program = bytes(`program ${at}`, at % 2 === 0 ? 20 : 32)
      for (const prefix of ['bc', 'ltc', 'bcrt']) {
        for (const version of [0, 1, 2, 8, 9, 16]) {
          expect(formatBech32(prefix, version, program)).toBe(address.toBech32(program, version, prefix))
        }
      }
    }
  })

  test('known addresses', () => {
    expect(addressOf(hex('76a914 62e907b15cbf27d5425399ebf6f0fb50ebb88f18 88ac'))).toBe(
      '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa',
    )
    // BIP-173 and BIP-350
    expect(addressOf(hex('0014 751e76e8199196d454941c45d1b3a323f1433bd6'))).toBe(
      'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
    )
    expect(addressOf(hex('5120 79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'))).toBe(
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
    )
    expect(addressOf(hex('5102 4e73'))).toBe('bc1pfeessrawgf')
  })

  test('cash addresses of the specification', () => {
    const hash = hex('76a04053bda0a88bda5177b86a15c3b29f559873')
    expect(formatCashAddress('bitcoincash', 0, hash)).toBe(
      'bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a',
    )
    expect(formatCashAddress('bitcoincash', 8, hash)).toBe(
      'bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq',
    )
    const cash: AddressRules = { ...bitcoin, bech32: null, cashAddress: 'bitcoincash' }
    const keyHash = hex('76a914 76a04053bda0a88bda5177b86a15c3b29f559873 88ac')
    expect(addressOf(keyHash)).toBe('1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu')
    expect(addressOf(keyHash, cash)).toBe('bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a')
  })

  test('chains write their own prefixes', () => {
    const keyHash = hex(`76a914 ${'11'.repeat(20)} 88ac`)
    const scriptHash = hex(`a914 ${'22'.repeat(20)} 87`)
    expect(addressOf(keyHash, litecoin)).toMatch(/^L/)
    expect(addressOf(scriptHash, litecoin)).toMatch(/^M/)
    expect(addressOf(keyHash, dogecoin)).toMatch(/^D/)
    expect(addressOf(scriptHash, dogecoin)).toMatch(/^[9A]/)
  })

  test('a script without an address is named by its hash', () => {
    const key = hex(`21 02${'11'.repeat(32)} ac`)
    const digest = createHash('sha256').update(key).digest('hex')
    expect(addressOf(key)).toBe(`script:${digest}`)
  })
})

describe('script types', () => {
  const compressed = `02${'11'.repeat(32)}`
  const full = `04${'11'.repeat(64)}`
  const hash20 = '22'.repeat(20)
  const hash32 = '33'.repeat(32)
  const twenty = `21${compressed}`.repeat(20)

  test.each([
    [`21 ${compressed} ac`, 'pubkey', 1],
    [`41 ${full} ac`, 'pubkey', 1],
    // The first byte of a key says its size: nodes take no other.
    [`21 05${'11'.repeat(32)} ac`, 'nonstandard', null],
    [`41 02${'11'.repeat(64)} ac`, 'nonstandard', null],
    [`76a914 ${hash20} 88ac`, 'pubkeyhash', null],
    [`76a914 ${hash20} 88ad`, 'nonstandard', null],
    [`a914 ${hash20} 87`, 'scripthash', null],
    [`a913 ${'22'.repeat(19)} 87`, 'nonstandard', null],
    [`51 21${compressed} 51 ae`, 'multisig', 1],
    [`52 21${compressed} 41${full} 52 ae`, 'multisig', 2],
    [`52 21${compressed} 51 ae`, 'nonstandard', null],
    [`51 21${compressed} 52 ae`, 'nonstandard', null],
    [`00 21${compressed} 51 ae`, 'nonstandard', null],
    [`51 21${compressed} 51 51 ae`, 'nonstandard', null],
    [`51 ae`, 'nonstandard', null],
    [`51 51 ae`, 'nonstandard', null],
    [`0111 ${twenty} 0114 ae`, 'multisig', 17],
    [`0110 ${twenty} 0114 ae`, 'nonstandard', null],
    ['6a', 'nulldata', null],
    ['6a 04 deadbeef', 'nulldata', null],
    ['6a 4c04 deadbeef', 'nulldata', null],
    ['6a 4d0400 deadbeef 60', 'nulldata', null],
    ['6a 04 dead', 'nonstandard', null],
    ['6a 61', 'nonstandard', null],
    ['6a 4e ffffffff', 'nonstandard', null],
    [`0014 ${hash20}`, 'witness_v0_keyhash', null],
    [`0020 ${hash32}`, 'witness_v0_scripthash', null],
    [`0015 ${hash20}00`, 'nonstandard', null],
    [`5120 ${hash32}`, 'witness_v1_taproot', null],
    [`5114 ${hash20}`, 'witness_unknown', null],
    [`6002 abcd`, 'witness_unknown', null],
    ['5102 4e73', 'anchor', null],
    ['5202 4e73', 'witness_unknown', null],
    ['5101 4e', 'nonstandard', null],
    [`5129 ${'44'.repeat(41)}`, 'nonstandard', null],
    [`5820 ${hash32}`, 'witness_mweb_hogaddr', null],
    [`5920 ${hash32}`, 'witness_mweb_pegin', null],
    ['', 'nonstandard', null],
    ['51', 'nonstandard', null],
    ['4d', 'nonstandard', null],
    ['ae', 'nonstandard', null],
  ])('%s is %s', (script, type, signatures) => {
    const form = readScript(hex(script), everything)
    expect(form.type).toBe(type)
    expect(form.requiredSignatures).toBe(signatures)
  })

  test('a chain without witnesses or extension knows none of their outputs', () => {
    expect(readScript(hex(`0014 ${hash20}`), { segwit: false, mweb: false }).type).toBe('nonstandard')
    expect(readScript(hex(`5820 ${hash32}`), { segwit: true, mweb: false }).type).toBe('witness_unknown')
  })

  test('addresses of standard scripts equal bitcoinjs-lib', () => {
    const hash = bytes('payment', 20)
    const { bitcoin: network } = networks
    const outputs = [
      payments.p2pkh({ hash, network }),
      payments.p2sh({ hash, network }),
      payments.p2wpkh({ hash, network }),
      payments.p2wsh({ hash: bytes('wsh', 32), network }),
    ]
    for (const { output, address: expected } of outputs) {
      expect(addressOf(Buffer.from(output!))).toBe(expected)
    }
  })
})
