import { expect, test } from 'vitest'
import type { Announcement } from '../schema/events.ts'
import { createAnnouncementHub } from './announcement-hub.ts'

function announcement(height: number): Announcement {
  return {
    id: `paper:0:${height}:0`,
    type: 'block.added',
    chain: 'paper',
    height,
    hash: `h${height}`,
    parentHash: `h${height - 1}`,
    time: height,
    transactionCount: 0,
  }
}

async function take(feed: AsyncIterable<Announcement>, count: number): Promise<number[]> {
  const heights: number[] = []
  if (count === 0) return heights
  for await (const one of feed) {
    heights.push(one.height)
    if (heights.length === count) break
  }
  return heights
}

test('every listener gets everything in order, from when it began to listen', async () => {
  const hub = createAnnouncementHub()
  hub.publish(announcement(1))
  const first = hub.subscribe(new AbortController().signal)
  hub.publish(announcement(2))
  const second = hub.subscribe(new AbortController().signal)
  hub.publish(announcement(3))
  expect(await take(first, 2)).toEqual([2, 3])
  expect(await take(second, 1)).toEqual([3])
  expect(hub.listeners).toBe(0)
})

test('a listener that waits is woken, and its signal ends it', async () => {
  const hub = createAnnouncementHub()
  const listening = new AbortController()
  const got = take(hub.subscribe(listening.signal), 1)
  hub.publish(announcement(5))
  expect(await got).toEqual([5])

  const waiting = take(hub.subscribe(listening.signal), 1)
  listening.abort()
  expect(await waiting).toEqual([])
  expect(hub.listeners).toBe(0)
  expect(await take(hub.subscribe(AbortSignal.abort()), 1)).toEqual([])
})

test('who falls behind by more than 1,000 loses the oldest', async () => {
  const hub = createAnnouncementHub()
  const slow = hub.subscribe(new AbortController().signal)
  for (let height = 1; height <= 1_003; height++) hub.publish(announcement(height))
  expect(await take(slow, 1)).toEqual([4])
})
