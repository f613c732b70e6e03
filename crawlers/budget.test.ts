import { describe, expect, it } from 'vitest'
import { type BudgetOptions, createBudget } from './budget.ts'

/** A budget and the clock that it goes by. */
function given(options: Omit<BudgetOptions, 'sleep' | 'now'> = {}) {
  let time = 0
  const budget = createBudget({
    ...options,
    now: () => time,
    sleep: async ms => {
      time += ms
    },
  })
  const signal = new AbortController().signal
  return {
    budget,
    wait: (ms: number) => {
      time += ms
    },
    /** Milliseconds that calls take when each comes as soon as it may, and not before `everyMs`. */
    async call(times: number, everyMs = 0): Promise<number> {
      const from = time
      for (let at = 0; at < times; at++) {
        await budget.take(signal)
        time += everyMs
      }
      return time - from
    },
  }
}

describe('a budget', () => {
  it('holds nobody up while no limit is known', async () => {
    const { budget, call } = given()
    expect(await call(1_000)).toBe(0)
    expect(budget.perSecond()).toBeNull()
    expect(budget.waitMs()).toBe(0)
  })

  it('spreads calls as configured', async () => {
    const { budget, call } = given({ most: 5 })
    expect(await call(11)).toBe(2_000)
    expect(budget.waitMs()).toBe(200)
    expect(budget.perSecond()).toBe(5)
  })

  it('learns from a refusal: less than it was asked then', async () => {
    const learned: (number | null)[] = []
    const { budget, call } = given({ onLearned: perSecond => learned.push(perSecond) })
    await call(200, 20)
    budget.refused()
    expect(budget.perSecond()).toBe(35)
    // The others that were under way say nothing new.
    budget.refused()
    expect(learned).toEqual([35])
    expect(await call(36)).toBeCloseTo(1_000, 6)
  })

  it('grows again, fast at first and slowly near what was refused, never beyond what is configured', async () => {
    const { budget, call, wait } = given({ most: 60 })
    await call(200, 20)
    budget.refused()
    const seen: (number | null)[] = []
    for (let at = 0; at < 60; at++) {
      wait(10_000)
      await call(1)
      seen.push(budget.perSecond())
    }
    expect(seen.slice(0, 4)).toEqual([43.8, 45, 47.3, 49.6])
    expect(seen.at(-1)).toBe(60)
  })

  it('where nothing is configured a limit that was never met again is forgotten', async () => {
    const { budget, call, wait } = given({ learned: 500 })
    for (let at = 0; at < 60; at++) {
      wait(10_000)
      await call(1)
    }
    expect(budget.perSecond()).toBeNull()
  })

  it('begins with what was learned before', () => {
    expect(given({ learned: 12 }).budget.perSecond()).toBe(12)
    expect(given({ learned: 12, most: 8 }).budget.perSecond()).toBe(8)
  })

  it('a refusal far below the limit teaches nothing about rates', async () => {
    const { budget, call, wait } = given({ learned: 50 })
    await call(1)
    wait(1_000)
    budget.refused()
    expect(budget.perSecond()).toBe(50)
  })

  it('a refusal of a few calls teaches nothing, and no limit is learned that is lower', async () => {
    const few = given()
    await few.call(4, 250)
    few.budget.refused()
    expect(few.budget.perSecond()).toBeNull()
    const more = given()
    await more.call(12, 167)
    more.budget.refused()
    expect(more.budget.perSecond()).toBe(5)
  })

  it('beyond what was refused once it grows fast again', async () => {
    const { budget, call, wait } = given()
    await call(20, 100)
    budget.refused()
    expect(budget.perSecond()).toBe(7)
    for (let at = 0; at < 20; at++) {
      wait(10_000)
      await call(1)
    }
    expect(budget.perSecond()).toBeGreaterThan(50)
  })
})
