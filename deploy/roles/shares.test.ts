import { expect, test } from 'vitest'
import { createShares } from './shares.ts'

const soon = (done: () => boolean) => expect.poll(done, { timeout: 5_000 }).toBe(true)

test('what could not be started is tried again, while it is wanted', async () => {
  const troubles: string[] = []
  let failures = 2
  const shares = createShares(
    async name => {
      if (name === 'b' && failures-- > 0) throw new Error('not yet')
      return { stop: async () => {} }
    },
    (name, error) => troubles.push(`${name}: ${(error as Error).message}`),
    { againMs: 10 },
  )
  shares.become(new Set(['a', 'b', 'c']))
  await soon(() => shares.running().size === 3)
  expect(troubles).toEqual(['b: not yet', 'b: not yet'])
  failures = Number.POSITIVE_INFINITY
  shares.become(new Set(['a']))
  await soon(() => shares.running().size === 1)
  shares.become(new Set(['a', 'b']))
  await soon(() => troubles.length > 3)
  await shares.close()
  const told = troubles.length
  await new Promise(resolve => setTimeout(resolve, 50))
  expect([troubles.length, shares.running().size]).toEqual([told, 0])
})

test('what does not stop in order keeps nothing else from being started and stopped', async () => {
  const troubles: string[] = []
  const shares = createShares(
    async name => ({
      async stop() {
        if (name === 'a') throw new Error('it broke')
      },
    }),
    (name, error) => troubles.push(`${name}: ${(error as Error).message}`),
  )
  shares.become(new Set(['a']))
  await soon(() => shares.running().has('a'))
  shares.become(new Set(['b']))
  await soon(() => shares.running().has('b'))
  expect([...shares.running().keys()]).toEqual(['b'])
  shares.become(new Set(['c']))
  await soon(() => shares.running().has('c') && !shares.running().has('b'))
  await shares.close()
  expect([troubles, shares.running().size]).toEqual([['a: it broke'], 0])
})
