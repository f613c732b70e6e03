import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiWorld, type Data, openApiWorld } from './api-world.ts'

/** The front door, and what questions cost: on our own development chains. */

let world: ApiWorld

const HOLDER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'
const EVERYTHING = '0xb7f8bc63bbcad18155201308c8f3540b07f84f5e'
const GOODS = '0x0dcd1bf9a1b36ce34237eeafef220932846bcd82'

const ask = (document: string, variables?: Record<string, unknown>): Promise<Data> =>
  world.ask(document, variables)

/** Statements that a question takes. */
async function countStatements(document: string, variables: Record<string, unknown> = {}): Promise<number> {
  const before = world.statements.length
  await ask(document, variables)
  return world.statements.length - before
}

beforeAll(async () => {
  world = await openApiWorld({ 'bitcoin-regtest': 'all', 'evm-local': 'all' })
}, 400_000)
afterAll(() => world?.close())

describe('search', () => {
  const target =
    '__typename ... on Block { height chain { slug } } ... on Transaction { hash } ... on Address { address } ... on Asset { asset } ... on Chain { slug }'
  const search = async (query: string) =>
    (
      await ask(
        `query ($query: String!) { search(query: $query) { query readAs hits { chain { slug } target { ${target} } } notIndexed { slug } } }`,
        { query },
      )
    ).search
  const kinds = (found: Data) =>
    found.hits.map((hit: Data) => `${hit.chain.slug} ${hit.target.__typename}`).sort()

  test('a height, with and without separators', async () => {
    for (const query of ['105', ' 1_05 ', '0105']) {
      const found = await search(query)
      if (query === ' 1_05 ') expect(found.hits).toEqual([])
      else expect(kinds(found)).toEqual(['bitcoin-regtest Block'])
    }
    const none = await search('1,234,567,890')
    expect(none).toMatchObject({ hits: [], readAs: ['the height of a block'], query: '1,234,567,890' })
    expect(none.notIndexed.map((chain: Data) => chain.slug)).toContain('evm-local')
  })

  test('hashes whole, in either order of bytes, with and without 0x, and their first digits', async () => {
    const { block } = await ask(
      '{ block(chain: "bitcoin-regtest", height: 100) { hash transactions(first: 1) { nodes { hash } } } }',
    )
    const reversed = Buffer.from(block.hash, 'hex').reverse().toString('hex')
    for (const query of [
      block.hash,
      `0x${block.hash}`,
      block.hash.toUpperCase(),
      reversed,
      block.hash.slice(0, 20),
    ]) {
      expect([query, kinds(await search(query))]).toEqual([query, ['bitcoin-regtest Block']])
    }
    const transaction = block.transactions.nodes[0].hash
    for (const query of [transaction, transaction.slice(0, 8), `0x${transaction.slice(0, 9)}`]) {
      expect([query, kinds(await search(query))]).toEqual([query, ['bitcoin-regtest Transaction']])
    }
    expect((await search(block.hash.slice(0, 7))).hits).toEqual([])
    const nothing = await search('f'.repeat(64))
    expect(nothing).toMatchObject({ hits: [], readAs: ['the hash of a block or a transaction'] })
  })

  test('addresses in any case that the chain allows, tokens by contract, contracts of many ids', async () => {
    expect(kinds(await search(HOLDER.toUpperCase().replace('0X', '0x')))).toEqual(['evm-local Address'])
    expect(kinds(await search('BCRT1QKP4EWS8GH9HVR7G8FECPS8JV0P944DMJWD2ZV8'))).toEqual([
      'bitcoin-regtest Address',
    ])
    expect(kinds(await search('mrQ1PzwvCKXRBqBJo3xserNpYzYZmxoLra'))).toEqual(['bitcoin-regtest Address'])
    expect(kinds(await search('MRQ1PzwvCKXRBqBJo3xserNpYzYZmxoLra'))).toEqual([])
    expect(kinds(await search(EVERYTHING))).toEqual(['evm-local Asset'])
    expect(kinds(await search(GOODS))).toEqual(['evm-local Address'])
    // A contract that was only called, and never had anything.
    expect(kinds(await search('0x0165878A594ca255338adfa4d48449f69242Eb8F'))).toEqual(['evm-local Address'])
  })

  test('chains by name, slug and symbol', async () => {
    expect(kinds(await search('Bitcoin Regtest'))).toEqual(['bitcoin-regtest Chain'])
    expect(kinds(await search('evm-local'))).toEqual(['evm-local Chain'])
    expect(kinds(await search('RBTC'))).toEqual(['bitcoin-regtest Chain'])
    expect(await search('')).toMatchObject({ hits: [], readAs: [] })
    expect(await search('no such thing')).toMatchObject({ hits: [], readAs: ['the name of a chain'] })
  })

  test('takes few statements, and refuses what is too long', async () => {
    for (const query of ['105', 'f'.repeat(64), 'abcdef1234', HOLDER, 'bitcoin']) {
      expect(
        await countStatements('query ($query: String!) { search(query: $query) { readAs } }', { query }),
      ).toBeLessThanOrEqual(10)
    }
    const { errors } = await world.api.gql.run(
      'query ($query: String!) { search(query: $query) { readAs } }',
      {
        query: 'x'.repeat(201),
      },
    )
    expect(errors).toMatchObject([{ code: 'BAD_REQUEST' }])
  })
})

describe('statements', () => {
  test('a page of transactions takes as many as one of a few', async () => {
    const document = (first: number) => `{ blocks(chain: "evm-local", first: ${first}) { nodes {
      unproven { proof } details { ... on EvmBlock { gasUsed uncles { hash } } }
      transactions(first: 5) { nodes { senders receivers amount movements { nodes { asset { asset } amount } } tokenTransfers { totalCount nodes { amount } }
        details { ... on EvmTransaction { to burntFee logs { totalCount nodes { data } } traces(first: 3) { nodes { type } } } } } } } } }`
    const few = await countStatements(document(6))
    const many = await countStatements(document(22))
    expect(many).toBeLessThanOrEqual(few)
    expect(many).toBeLessThanOrEqual(15)
    const outputs = (
      first: number,
    ) => `{ blocks(chain: "bitcoin-regtest", first: ${first}) { nodes { transactions(first: 3) { nodes {
      amount details { ... on UtxoTransaction { outputs(first: 3) { nodes { spentBy { height } } } inputs(first: 3) { nodes { address } } } } } } } } }`
    expect(await countStatements(outputs(50))).toBeLessThanOrEqual(await countStatements(outputs(5)))
  })
})
