import { AbiCoder, id, zeroPadValue } from 'ethers'
import { describe, expect, test } from 'vitest'
import { createCallDecoder } from './decoded-call.ts'

const decoder = createCallDecoder()
const alice = `0x${'a1'.repeat(20)}`
const bob = `0x${'b2'.repeat(20)}`
const word = (value: bigint) => value.toString(16).padStart(64, '0')
const MAX = 2n ** 256n - 1n

describe('decoded calls', () => {
  test('a transfer of the largest amount, digit for digit, with addresses as they read elsewhere', () => {
    const input = `0xa9059cbb${'0'.repeat(24)}${alice.slice(2)}${word(MAX)}`
    expect(decoder.call(input)).toEqual({
      selector: '0xa9059cbb',
      name: 'transfer',
      signature: 'transfer(address,uint256)',
      arguments: [
        { name: 'to', type: 'address', value: alice },
        { name: 'amount', type: 'uint256', value: MAX.toString() },
      ],
    })
  })

  test('what does not fit the signature is not explained', () => {
    expect(decoder.call('0x')).toBe(null)
    expect(decoder.call('0xa9059cbb')).toBe(null)
    expect(decoder.call(`0xa9059cbb${'ff'.repeat(64)}`)).toBe(null)
    expect(decoder.call('0xdeadbeef')).toBe(null)
  })

  test('the number of topics tells which standard an event is of', () => {
    const topic = id('Transfer(address,address,uint256)')
    const from = zeroPadValue(alice, 32)
    const to = zeroPadValue(bob, 32)
    const fungible = decoder.event([topic, from, to], `0x${word(7n)}`)
    expect(fungible?.arguments.map(one => one.name)).toEqual(['from', 'to', 'amount'])
    const single = decoder.event([topic, from, to, `0x${word(9n)}`], '0x')
    expect(single?.arguments.at(-1)).toEqual({ name: 'tokenId', type: 'uint256', value: '9' })
    expect(decoder.event([topic, from], `0x${word(7n)}`)).toBe(null)
    expect(decoder.event([topic, from, to], '0x')).toBe(null)
    expect(decoder.event([], '0x')).toBe(null)
  })

  test('lists read as lists', () => {
    const data = AbiCoder.defaultAbiCoder().encode(
      ['uint256[]', 'uint256[]'],
      [
        [1n, 2n],
        [30n, 40n],
      ],
    )
    const topics = [id('TransferBatch(address,address,address,uint256[],uint256[])'), alice, alice, bob]
    const event = decoder.event(
      topics.map((topic, at) => (at === 0 ? topic : zeroPadValue(topic, 32))),
      data,
    )
    expect(event?.arguments.slice(-2)).toEqual([
      { name: 'ids', type: 'uint256[]', value: '[1, 2]' },
      { name: 'amounts', type: 'uint256[]', value: '[30, 40]' },
    ])
  })
})
