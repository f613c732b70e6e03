import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../deploy/kafka/client.ts'
import { openKafkaState } from '../deploy/kafka/state.ts'
import { createStatusBoard, tellFollowing } from '../deploy/roles/facts.ts'
import type { State } from '../schema/ports.ts'
import type { FollowStatus } from '../schema/status.ts'
import { until } from './follow-world.ts'
import { silent } from './harness.ts'
import { describeKafka, startKafka, type TestKafka, whyNoKafka } from './kafka.ts'

describeKafka('the state that processes share', await whyNoKafka(), () => {
  let kafka: TestKafka
  const opened: State[] = []
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(async () => {
    await Promise.all(opened.map(state => state.close()))
    await kafka?.close()
  })

  async function open({ prefix, ...settings }: ReturnType<TestKafka['settings']>): Promise<State> {
    const client = await createClient({ prefix, ...settings }, silent)
    const options = { topic: `${prefix}state`, prefix, replication: null, logger: silent }
    const state = await openKafkaState({ kafka: client, ...options })
    opened.push(state)
    return state
  }

  test('what one puts, others are told and find when they come later; what is taken away is gone', async () => {
    const settings = kafka.settings()
    const [one, two] = [await open(settings), await open(settings)]
    const told: [string, unknown][] = []
    const unwatch = two.watch('paused/', (key, entry) => told.push([key, entry?.value ?? null]))
    expect(await one.put('paused/bitcoin', true)).toBe(true)
    expect(one.get('paused/bitcoin')).toEqual({ value: true, version: 1 })
    await one.put('learned/x', 12.5)
    await one.put('paused/bitcoin', null)
    await until('both', async () => told.length === 2)
    expect(told).toEqual([
      ['paused/bitcoin', true],
      ['paused/bitcoin', null],
    ])
    unwatch()
    const later = await open(settings)
    expect([later.get('paused/bitcoin'), later.list('')]).toEqual([
      null,
      [['learned/x', { value: 12.5, version: 1 }]],
    ])
  })

  test('of several that replace the same version one does: a counter of three loses nothing', async () => {
    const settings = kafka.settings()
    const states = await Promise.all([open(settings), open(settings), open(settings)])
    const [first] = states
    const race = await Promise.all(states.map(state => state.put('key', 'mine', 0)))
    expect(race.filter(Boolean).length).toBe(1)
    expect(await first!.put('key', 'old', 0)).toBe(false)
    await Promise.all(
      states.map(async state => {
        for (let done = 0; done < 10; ) {
          const entry = state.get('count')
          if (await state.put('count', Number(entry?.value ?? 0) + 1, entry?.version ?? 0)) done++
        }
      }),
    )
    expect(first!.get('count')?.value === 30 || (await open(settings)).get('count')?.value === 30).toBe(true)
  })

  test('a broker that is killed and started again is survived, and what was put is there', async () => {
    const own = await startKafka({ properties: {} })
    try {
      const settings = own.settings()
      const state = await open(settings)
      await state.put('before', 1)
      const [node] = own.nodes
      if (!node) throw new Error('expected a broker of the test')
      await node.kill('SIGKILL')
      await node.start()
      await until('a put', () => state.put('after', 2).catch(() => false))
      expect([state.get('before')?.value, state.get('after')?.value]).toEqual([1, 2])
      const later = await open(settings)
      expect(later.list('').map(([key, { value }]) => [key, value])).toEqual([
        ['after', 2],
        ['before', 1],
      ])
    } finally {
      await Promise.all(opened.splice(0).map(state => state.close()))
      await own.close()
    }
  })

  test('the board shows what crawlers tell, and says so when they fall silent', async () => {
    const state = await open(kafka.settings())
    const status: FollowStatus = {
      chain: 'bitcoin',
      state: 'following',
      problem: null,
      waitingFor: null,
      head: 7,
      safe: 5,
      final: 1,
      missing: 0,
      blocksPerSecond: 2,
      etaSeconds: 0,
      nodes: [],
    }
    const telling = tellFollowing(() => [status], state, silent)
    await until('a word', async () => createStatusBoard(state).follows().length === 1)
    await telling.close()
    expect(createStatusBoard(state).follows()).toEqual([status])
    await state.put('splitting/bitcoin/0', { at: Date.now(), told: { problem: 'the store does not answer' } })
    expect(createStatusBoard(state).follows()[0]?.problem).toBe('the store does not answer')
    const inAnHour = createStatusBoard(state, () => Date.now() + 3_600_000)
    expect(inAnHour.follows()[0]?.problem).toMatch(/no crawler said anything of bitcoin for 3\d{3} s/)
  })
})
