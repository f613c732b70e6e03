import type { Admin, Kafka } from 'kafkajs'
import { StoreError } from '../../schema/errors.ts'

/** The longest that the client itself takes, with all that it repeats, is below these. */
const LIMIT_MS = 60_000
const LIMITS_MS: Readonly<Record<string, number>> = { disconnect: 10_000, run: 120_000, send: 240_000 }
const limitOf = (call: string) => LIMITS_MS[call] ?? LIMIT_MS

/**
 * A client of which every call comes to an end. Those of kafkajs were seen never to, after all brokers had been away at
 * once: whoever waited, waited for ever, also for the end of the process.
 */
export function boundClient(kafka: Kafka): Kafka {
  return Object.assign(Object.create(kafka), {
    admin: (...options: Parameters<Kafka['admin']>) => renewed(() => kafka.admin(...options)),
    producer: (...options: Parameters<Kafka['producer']>) => bounded(kafka.producer(...options)),
    consumer: (...options: Parameters<Kafka['consumer']>) => bounded(kafka.consumer(...options)),
  })
}

/** The same with calls that fail when they take longer than their limit, in milliseconds. */
export function bounded<Part extends object>(part: Part, limit = limitOf, onOver = () => {}): Part {
  return new Proxy(part, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        const result = value.apply(target, given) as unknown
        return result instanceof Promise ? within(limit(String(name)), String(name), result, onOver) : result
      }
    },
  })
}

/** What never answered is not asked again: another takes its place. */
function renewed(open: () => Admin): Admin {
  const renew = () => {
    const old = current
    current = bounded(open(), limitOf, renew)
    isNew = true
    void old.disconnect().catch(() => {})
  }
  let current = bounded(open(), limitOf, renew)
  let isNew = false
  return new Proxy({} as Admin, {
    get(_, name) {
      const value = Reflect.get(current, name) as unknown
      if (typeof value !== 'function' || !isNew || name === 'connect' || name === 'disconnect') return value
      return async (...given: unknown[]) => {
        const mine = current
        await mine.connect()
        if (mine === current) isNew = false
        return (Reflect.get(mine, name) as (...given: unknown[]) => unknown)(...given)
      }
    },
  })
}

/** @throws StoreError when it takes longer */
export async function within<Value>(
  ms: number,
  call: string,
  step: Promise<Value>,
  onOver = () => {},
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, fail) => {
    timer = setTimeout(() => {
      onOver()
      fail(new StoreError(`Kafka: ${call} did not end within ${ms / 1000} s`, { retryable: true }))
    }, ms)
  })
  try {
    return await Promise.race([step, over])
  } finally {
    clearTimeout(timer)
  }
}
