import { describe, expect, it } from 'vitest'
import { AppError, MalformedAnswerError } from '../../schema/errors.ts'
import { decodeRaw, encodeRaw } from './codec.ts'
import { defineEvmChain } from './family.ts'
import { changed, changes, full } from './proof.fixture.ts'

/** Numbers that look random and are the same in every run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state >>> 8
  }
}

describe('the archive format', () => {
  it('refuses every other version, shortened and lengthened bytes', () => {
    const bytes = Buffer.from(encodeRaw(full()))
    expect(() => decodeRaw(Buffer.alloc(0))).toThrow('expected version 1, got no bytes')
    expect(() => decodeRaw(Buffer.concat([Buffer.from([2]), bytes.subarray(1)]))).toThrow(
      'expected version 1, got 2',
    )
    expect(() => decodeRaw(bytes.subarray(0, -1))).toThrow(MalformedAnswerError)
    expect(() => decodeRaw(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(MalformedAnswerError)
  })

  it('keeps what is wrong as it was told', () => {
    for (const [, , change] of changes) {
      const raw = changed(change)
      // Trace addresses and what reverted are derived, so a frame whose error alone is changed is none that was read.
      if (raw.traces?.some(frames => frames.some(frame => (frame.error !== null) !== frame.reverted)))
        continue
      expect(decodeRaw(encodeRaw(raw))).toEqual(raw)
    }
  })

  it('survives 3,000 changed bytes: refused by name, or still proven', () => {
    const bytes = Buffer.from(encodeRaw(full()))
    const chain = defineEvmChain({ slug: 'x', name: 'X', chainId: 1, native: { symbol: 'X', decimals: 18 } })
    const random = numbers(7)
    let refused = 0
    for (let round = 0; round < 3_000; round++) {
      const mutant = Buffer.from(bytes)
      mutant[random.next().value! % mutant.length] = random.next().value! & 0xff
      try {
        const raw = decodeRaw(mutant)
        chain.split(raw, chain.verify(raw))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(2_000)
  })
})
