import { describe, expect, test } from 'vitest'
import { admitStatement } from './sql-gate.ts'
import { callerOf } from './sql-gateway.ts'
import { createTurns } from './sql-turns.ts'

/** What the store's formatter would have made of a statement. */
const admit = (formatted: string, params: Record<string, string> = {}) =>
  admitStatement(async () => formatted, 'as sent', new Map(Object.entries(params)))

describe('the gate', () => {
  test('a quote within the other kind of quotes opens nothing', async () => {
    for (const formatted of [
      "SELECT 1 AS `'`, file('a') AS `'`",
      "SELECT '`', file('a'), '`'",
      "SELECT '\\'', file('a'), '\\''",
      "SELECT 'a''', file('a'), ''''",
      "SELECT `a\\`'`, file('a') AS `'`",
      "SELECT `a``'`, file('a') AS `'`",
      'SELECT `file`',
    ]) {
      await expect(admit(formatted), formatted).rejects.toMatchObject({ number: 497 })
    }
    await expect(admit("SELECT 'file(', '\\'file', 'it''s file'")).resolves.toBeUndefined()
  })

  test('the value of an identifier is looked at, that of a string is not', async () => {
    const formatted = 'SELECT {f:Identifier}, {s:String}'
    await expect(admit(formatted, { f: 'a.b', s: 'file' })).resolves.toBeUndefined()
    await expect(admit(formatted, { f: 'file' })).rejects.toMatchObject({ number: 497 })
    await expect(admit(formatted, { f: 'a`b' })).rejects.toMatchObject({ number: 36 })
  })
})

describe('turns', () => {
  const limits = {
    running: 2,
    runningOfCaller: 1,
    waitingOfCaller: 1,
    waitMs: 10_000,
    statementsPerMinute: 100,
    busyMsPerMinute: 100_000,
  }
  const never = new AbortController().signal

  test('go in order, past those who have all of their own', async () => {
    const turns = createTurns(limits)
    const order: string[] = []
    const first = await turns.take('a', never)
    const second = turns.take('a', never).then(done => {
      order.push('a')
      return done
    })
    await expect(turns.take('a', never)).rejects.toMatchObject({ number: 202 })
    const other = await turns.take('b', never)
    const third = turns.take('c', never).then(done => {
      order.push('c')
      return done
    })
    other()
    const last = await third
    first()
    first()
    ;(await second)()
    last()
    expect(order).toEqual(['c', 'a'])
  })

  test('end with whoever asked for them, and after a while', async () => {
    const turns = createTurns({ ...limits, waitMs: 10 })
    const done = await turns.take('a', never)
    await expect(turns.take('a', never)).rejects.toMatchObject({ number: 202 })
    const gone = new AbortController()
    const waiting = turns.take('a', gone.signal)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    done()
    ;(await turns.take('a', never))()
  })
})

test('callers are addresses, of IPv6 the household', () => {
  for (const [remoteAddress, caller] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:db8::6', '2001:db8:0:0::'],
    ['::1', '0:0:0:0::'],
    ['fe80::1%eth0', 'fe80:0:0:0::'],
    [undefined, ''],
  ] as const) {
    expect([remoteAddress, callerOf({ remoteAddress })]).toEqual([remoteAddress, caller])
  }
})
