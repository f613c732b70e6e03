import { expect, test } from 'vitest'
import { bounded, within } from './bounded.ts'

test('a call that does not end fails, the others give what they give', async () => {
  let over = 0
  const part = {
    name: 'part',
    never: () => new Promise<void>(() => {}),
    soon: async (value: number) => value + 1,
    fail: async () => Promise.reject(new Error('no')),
    now: () => part.name,
  }
  const bound = bounded(
    part,
    call => (call === 'never' ? 10 : 60_000),
    () => {
      over++
    },
  )
  await expect(bound.never()).rejects.toMatchObject({
    message: 'Kafka: never did not end within 0.01 s',
    retryable: true,
  })
  expect(over).toBe(1)
  expect(await bound.soon(1)).toBe(2)
  await expect(bound.fail()).rejects.toThrow('no')
  expect([bound.now(), bound.name]).toEqual(['part', 'part'])
  expect(over).toBe(1)
})

test('who is in time leaves nothing behind', async () => {
  const before = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  expect(await within(60_000, 'call', Promise.resolve(7))).toBe(7)
  expect(process.getActiveResourcesInfo().filter(name => name === 'Timeout').length).toBe(before)
})
