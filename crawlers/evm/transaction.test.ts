import { getCreateAddress, hexlify, Transaction, type TransactionLike, Wallet } from 'ethers'
import { describe, expect, it } from 'vitest'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { address } from './block.fixture.ts'
import { keccak256 } from './hash.ts'
import { readBlock } from './json.ts'
import { createdAddress, recoverAuthority, recoverSender } from './sender.ts'
import { decodeTransaction, encodeTransaction, signingHash } from './transaction.ts'

const wallet = new Wallet(`0x${'11'.repeat(32)}`)
const delegate = new Wallet(`0x${'22'.repeat(32)}`)
const to = `0x${'ab'.repeat(20)}`
const accessList = [
  { address: `0x${'cd'.repeat(20)}`, storageKeys: [`0x${'01'.repeat(32)}`, `0x${'02'.repeat(32)}`] },
]
const capped = {
  chainId: 1,
  nonce: 7,
  gasLimit: 90_000,
  maxFeePerGas: 30n,
  maxPriorityFeePerGas: 2n,
  to,
  value: 5n,
}

const offers: Record<string, TransactionLike> = {
  'type 0 with a chain': {
    type: 0,
    chainId: 1337,
    nonce: 0,
    gasPrice: 20n,
    gasLimit: 21_000,
    to,
    value: 10n ** 18n,
  },
  'type 0 that creates': {
    type: 0,
    chainId: 1,
    nonce: 300,
    gasPrice: 20n,
    gasLimit: 21_000,
    data: `0x${'60'.repeat(200)}`,
  },
  'type 1': {
    type: 1,
    chainId: 1,
    nonce: 1,
    gasPrice: 1n << 70n,
    gasLimit: 50_000,
    to,
    accessList,
    data: '0x00',
  },
  'type 2': { type: 2, ...capped, accessList },
  'type 2 that creates': { type: 2, ...capped, to: null, data: '0x6000' },
  'type 3': { type: 3, ...capped, maxFeePerBlobGas: 9n, blobVersionedHashes: [`0x01${'aa'.repeat(31)}`] },
}

async function authorizations() {
  const one = await delegate.authorize({ chainId: 1, nonce: 3, address: to })
  return [one, await delegate.authorize({ chainId: 0, nonce: 1n << 40n, address: to })]
}

async function signed(name: string): Promise<Transaction> {
  const offer = offers[name] ?? { type: 4, ...capped, authorizationList: await authorizations() }
  const tx = Transaction.from(offer)
  tx.signature = wallet.signingKey.sign(tx.unsignedHash)
  return tx
}

describe('transactions as ethers makes them', () => {
  it.each([...Object.keys(offers), 'type 4'])('%s', async name => {
    const expected = await signed(name)
    const decoded = decodeTransaction(Buffer.from(expected.serialized.slice(2), 'hex'))
    const tx = { ...decoded, hash: Buffer.alloc(32), from: Buffer.alloc(20) }
    expect(hexlify(encodeTransaction(tx))).toBe(expected.serialized)
    expect(hexlify(keccak256(encodeTransaction(tx)))).toBe(expected.hash)
    expect(hexlify(signingHash(tx))).toBe(expected.unsignedHash)
    expect(hexlify(recoverSender(tx)!)).toBe(wallet.address.toLowerCase())
    expect(tx.chainId).toBe(expected.chainId)
    expect(tx.value).toBe(expected.value)
    expect(tx.to === null ? null : hexlify(tx.to)).toBe(expected.to?.toLowerCase() ?? null)
  })

  it('without a chain (before EIP-155)', () => {
    const expected = Transaction.from({ type: 0, chainId: 0, nonce: 1, gasPrice: 1, gasLimit: 21_000, to })
    expected.signature = wallet.signingKey.sign(expected.unsignedHash)
    const decoded = decodeTransaction(Buffer.from(expected.serialized.slice(2), 'hex'))
    const tx = { ...decoded, hash: Buffer.alloc(32), from: Buffer.alloc(20) }
    expect(tx.chainId).toBeNull()
    expect([27n, 28n]).toContain(tx.v)
    expect(hexlify(recoverSender(tx)!)).toBe(wallet.address.toLowerCase())
  })

  it('authorities of type 4', async () => {
    const decoded = decodeTransaction(Buffer.from((await signed('type 4')).serialized.slice(2), 'hex'))
    expect(decoded.authorizationList).toHaveLength(2)
    for (const one of decoded.authorizationList) {
      expect(hexlify(recoverAuthority(one)!)).toBe(delegate.address.toLowerCase())
    }
    const [first] = decoded.authorizationList
    expect(recoverAuthority({ ...first!, s: (1n << 255n) + 1n })).toBeNull()
    expect(recoverAuthority({ ...first!, yParity: 2n })).toBeNull()
    expect(recoverAuthority({ ...first!, r: 0n })).toBeNull()
  })

  it.each([0n, 1n, 127n, 128n, 1n << 40n])('contract made with nonce %i', nonce => {
    const expected = getCreateAddress({ from: wallet.address, nonce })
    expect(hexlify(createdAddress(Buffer.from(wallet.address.slice(2), 'hex'), nonce))).toBe(
      expected.toLowerCase(),
    )
  })

  it.each(['', '05c0', '7ec0', '01', '02c0', 'c0', `c9${'80'.repeat(8)}c0`, '80'])('refuses %s', hex => {
    expect(() => decodeTransaction(Buffer.from(hex, 'hex'))).toThrow(MalformedAnswerError)
  })

  it('refuses a type that it cannot prove', () => {
    const header = Object.fromEntries(
      ['parentHash', 'sha3Uncles', 'stateRoot', 'transactionsRoot', 'receiptsRoot', 'mixHash', 'hash'].map(
        name => [name, `0x${'00'.repeat(32)}`],
      ),
    )
    const quantities = { difficulty: '0x0', number: '0x1', gasLimit: '0x1', gasUsed: '0x0', timestamp: '0x1' }
    const bytes = {
      extraData: '0x',
      nonce: '0x0000000000000000',
      logsBloom: `0x${'00'.repeat(256)}`,
      miner: hexlify(address('1')),
    }
    const block = { ...header, ...quantities, ...bytes, transactions: [{ type: '0x7e' }] }
    expect(() => readBlock(block)).toThrow('expected type 0 to 4, got 126')
  })
})
