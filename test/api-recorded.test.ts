import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiWorld, type Data, openApiWorld } from './api-world.ts'
import { describeRecorded } from './recordings.ts'

/** What GraphQL says of known blocks of Bitcoin and Ethereum. */

let world: ApiWorld

const FIRST_PAYMENT = 'f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16'

describeRecorded('recorded blocks', () => {
  beforeAll(async () => {
    world = await openApiWorld({
      bitcoin: [0, 9, 169, 170, 171, 200_000],
      ethereum: [4_370_006, 15_753_009, 18_000_000, 24_476_005],
    })
  }, 400_000)
  afterAll(() => world?.close())

  test('bitcoin: the first payment', async () => {
    const { transaction } =
      await world.ask(`{ transaction(chain: "bitcoin", hash: "0x${FIRST_PAYMENT.toUpperCase()}") {
      hash index status fee amount senderCount receiverCount block { height proofs previous { height } next { height } }
      details { ... on UtxoTransaction { inputs { nodes { amount source previousHash } } outputs { nodes { amount scriptType } } } }
    } }`)
    expect(transaction).toMatchObject({
      hash: FIRST_PAYMENT,
      index: 1,
      status: 'SUCCESS',
      fee: '0',
      amount: '1000000000',
      senderCount: 1,
      receiverCount: 1,
      block: {
        height: 170,
        proofs: ['hash', 'parent', 'txRoot', 'inputs', 'pow'],
        previous: { height: 169 },
        next: { height: 171 },
      },
      details: {
        inputs: {
          nodes: [
            {
              amount: '5000000000',
              previousHash: '0437cd7f8525ceed2324359c2d0ba26006d92d856a9c20fa0241106ee5a597c9',
            },
          ],
        },
        outputs: {
          nodes: [
            { amount: '1000000000', scriptType: 'pubkey' },
            { amount: '4000000000', scriptType: 'pubkey' },
          ],
        },
      },
    })
  })

  test('bitcoin: block 0 and what its coinbase says, block 200000 and what was only told', async () => {
    const { genesis, block, chain } = await world.ask(`{
      genesis: block(chain: "bitcoin", height: 0) { details { ... on UtxoBlock { coinbaseText } } }
      block(chain: "bitcoin", height: 200000) {
        transactionCount fees reward confirmations finality previous { height } unproven { proof reason }
        details { ... on UtxoBlock { inputCount outputCount subsidy } }
        transactions(first: 100) { totalCount pageInfo { hasNextPage } }
      }
      chain(slug: "bitcoin") { incompleteBecause ranges { from to } }
    }`)
    expect(genesis.details.coinbaseText).toBe(
      'The Times 03/Jan/2009 Chancellor on brink of second bailout for banks',
    )
    expect(block).toMatchObject({
      transactionCount: 388,
      fees: '63517500',
      reward: '5000000000',
      confirmations: 1,
      finality: 'PENDING',
      previous: null,
      details: { inputCount: 1232, outputCount: 822, subsidy: '5000000000' },
      transactions: { totalCount: 388, pageInfo: { hasNextPage: true } },
    })
    expect(block.unproven).toEqual([
      { proof: 'parent', reason: expect.stringContaining('not stored') },
      { proof: 'inputs', reason: expect.stringContaining('945 spent outputs') },
      { proof: 'height', reason: expect.stringContaining('BIP-34') },
    ])
    expect(chain).toMatchObject({ incompleteBecause: 'blocks are missing: the first gap is at height 1' })
  })

  test('ethereum: a full block, an uncle, withdrawals, a block without receipts', async () => {
    const { full, uncle, withdrawals, bare } = await world.ask(`{
      full: block(chain: "ethereum", height: 15753009) { transactionCount fees
        details { ... on EvmBlock { gasUsed burnt feeReward } }
        transactions(first: 100) { nodes { hash details { ... on EvmTransaction { logs { totalCount } traces { totalCount } } } } pageInfo { endCursor } } }
      uncle: block(chain: "ethereum", height: 4370006) { reward effects { nodes { kind amount transactionHash transaction { hash } } }
        details { ... on EvmBlock { blockReward uncleInclusionReward uncles { height hash parentHash time producer reward gasUsed difficulty } } } }
      withdrawals: block(chain: "ethereum", height: 18000000) {
        details { ... on EvmBlock { withdrawals(first: 1) { totalCount nodes { index validatorIndex address amount } edges { node { index } } } } } }
      bare: block(chain: "ethereum", height: 24476005) { fees unproven { proof } transactions(first: 1) { nodes { status fee amount senders } } }
    }`)
    expect(full.transactionCount).toBe(210)
    const { transactions: rest } = (
      await world.ask(
        `query ($after: String) { block(chain: "ethereum", height: 15753009) { transactions(first: 100, after: $after) {
          nodes { hash details { ... on EvmTransaction { logs { totalCount } traces { totalCount } } } } pageInfo { hasNextPage endCursor } } } }`,
        { after: full.transactions.pageInfo.endCursor },
      )
    ).block
    const last = (
      await world.ask(
        `{ block(chain: "ethereum", height: 15753009) { transactions(last: 10) {
          nodes { hash details { ... on EvmTransaction { logs { totalCount } traces { totalCount } } } } pageInfo { hasNextPage } } } }`,
      )
    ).block.transactions
    const all = [...full.transactions.nodes, ...rest.nodes, ...last.nodes]
    expect(new Set(all.map((one: Data) => one.hash)).size).toBe(210)
    const sum = (of: 'logs' | 'traces') => all.reduce((total, one) => total + one.details[of].totalCount, 0)
    expect([sum('logs'), sum('traces'), full.details.gasUsed]).toEqual([400, 892, 21_155_381])
    expect(uncle).toMatchObject({
      reward: '3093750000000000000',
      details: {
        uncles: [
          {
            height: 4_370_005,
            hash: '0x92949b351ac2d79a2932add33e201c80da313cdda68790e8aaa50bc23249afbe',
            reward: '2625000000000000000',
            time: '2017-10-16T05:23:46Z',
          },
        ],
      },
    })
    expect(uncle.effects.nodes[0]).toMatchObject({ transactionHash: null, transaction: null })
    expect(withdrawals.details.withdrawals).toMatchObject({
      totalCount: 16,
      nodes: [{ index: 15_440_780, validatorIndex: 673_611, amount: '15404368000000000' }],
    })
    expect(bare).toMatchObject({
      fees: null,
      transactions: {
        nodes: [{ status: 'UNKNOWN', fee: null, amount: null, senders: [expect.any(String)] }],
      },
    })
    expect(bare.unproven.map((one: Data) => one.proof)).toContain('receiptsRoot')
  })
})
