import { describe, expect, it } from 'vitest'
import { formatHex0x } from '../../schema/bytes.ts'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { address, CANCUN, madeHeader, madeRaw, madeTransaction } from './block.fixture.ts'
import { defineEvmChain } from './family.ts'
import { headerHash } from './header.ts'
import { changed, changes, full, NOBODY, provenBy } from './proof.fixture.ts'
import { verifyBlock } from './verify.ts'

describe('verify', () => {
  it('proving a block once gives what verifying, splitting and encoding it one by one give', () => {
    const native = { symbol: 'TST', decimals: 18 }
    const chain = defineEvmChain({ slug: 'test', name: 'Test', chainId: 5, native })
    const raw = full()
    const { verified, split, encode } = chain.prove!(raw)
    expect(verified).toEqual(chain.verify(raw))
    expect(split(verified)).toEqual(chain.split(raw, verified))
    expect(encode()).toEqual(chain.encode(raw))
    expect(() => chain.prove!(changed(one => one.transactions[1]!.hash.fill(1)))).toThrow(/^txRoot: /)
  })

  it('proves all that is there, in order', () => {
    const proofs = ['hash', 'txRoot', 'receiptsRoot', 'logsBloom', 'withdrawalsRoot', 'uncles']
    expect(verifyBlock(full(), NOBODY).proofs).toEqual(proofs)
    const less = { ...full(), receipts: null, uncles: null, withdrawals: null, traces: null }
    expect(verifyBlock(less, NOBODY).proofs).toEqual(['hash', 'txRoot'])
  })

  it('compares block 0 with the checkpoint', () => {
    const raw = madeRaw({ header: { height: 0 } })
    const genesisHash = formatHex0x(raw.claimedHash!)
    expect(verifyBlock(raw, { genesisHash }).proofs.at(-1)).toBe('checkpoint')
    expect(() => verifyBlock(raw, { genesisHash: `0x${'ab'.repeat(32)}` })).toThrow(/^checkpoint: /)
    expect(verifyBlock(madeRaw(), { genesisHash }).proofs).not.toContain('checkpoint')
  })

  it.each(changes)('%s fails for %s', (proof, _, change) => {
    expect(provenBy(changed(() => {}))).toBe('verified')
    expect(provenBy(changed(change))).toBe(proof)
  })

  it('blooms that the roots commit to must still be those of the logs', () => {
    const receipts = [{ logsBloom: Buffer.alloc(256, 1) }]
    expect(provenBy(madeRaw({ transactions: [madeTransaction()], receipts }))).toBe('logsBloom')
    const raw = madeRaw({ transactions: [madeTransaction()], header: { logsBloom: Buffer.alloc(256, 1) } })
    expect(provenBy(raw)).toBe('logsBloom')
  })

  it('withdrawals without a root are refused', () => {
    const raw = madeRaw()
    raw.withdrawals = [{ index: 1n, validatorIndex: 2n, address: address('d'), amount: 5n }]
    expect(provenBy(raw)).toBe('withdrawalsRoot')
  })

  it('header fields come in order', () => {
    const header = madeHeader({ withdrawalsRoot: Buffer.alloc(32) })
    expect(() => headerHash(header)).toThrow('expected baseFeePerGas beside withdrawalsRoot')
    expect(() => headerHash(madeHeader({ ...CANCUN, requestsHash: Buffer.alloc(32) }))).toThrow(
      MalformedAnswerError,
    )
  })
})
