import { readFileSync } from 'node:fs'
import { buildSchema, isObjectType, parse, TypeInfo, visit, visitWithTypeInfo } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiWorld, type Data, openApiWorld } from './api-world.ts'

/** What GraphQL says of blocks of our own development chains. */

const sdl = readFileSync(new URL('../schema/api.graphql', import.meta.url), 'utf8')
const schema = buildSchema(sdl)
const asked = new Set<string>()
/** Types that are asked for in the test of webhooks. */
const isOfWebhooks = (type: string) => /Webhook|^Mutation$|^HttpHeader$/.test(type)
let world: ApiWorld

const MAX = (2n ** 256n - 1n).toString()
const HOLDER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'
const EVERYTHING = '0xb7f8bc63bbcad18155201308c8f3540b07f84f5e'
const GOODS = '0x0dcd1bf9a1b36ce34237eeafef220932846bcd82'

/** The answer to a document without errors; what it asks for is remembered. */
async function ask(document: string, variables: Record<string, unknown> = {}): Promise<Data> {
  const info = new TypeInfo(schema)
  visit(
    parse(document),
    visitWithTypeInfo(info, {
      Field() {
        asked.add(`${info.getParentType()?.name}.${info.getFieldDef()?.name}`)
      },
    }),
  )
  return world.ask(document, variables)
}

async function errorOf(document: string, variables: Record<string, unknown> = {}) {
  const { errors } = await world.api.gql.run(document, variables)
  expect(errors.length).toBe(1)
  return errors[0]!
}

beforeAll(async () => {
  world = await openApiWorld({
    'bitcoin-regtest': 'all',
    'evm-local': 'all',
  })
}, 400_000)
afterAll(() => world?.close())

describe('chains', () => {
  test('are described from what is stored, and by whoever follows them', async () => {
    world.follows.push({
      chain: 'evm-local',
      state: 'catching-up',
      problem: 'a node is slow: wait',
      waitingFor: null,
      head: 30,
      safe: 20,
      final: 15,
      missing: 9,
      blocksPerSecond: 2.5,
      etaSeconds: 3.6,
      nodes: [
        {
          name: 'http://127.0.0.1:8545',
          reachable: true,
          head: 30,
          latencyMs: 1.5,
          callsPerSecond: 12.5,
          calls: 10,
          errors: 1,
          lastError: 'timeout',
        },
      ],
    })
    try {
      const { chain } = await ask(`{
        chain(slug: "evm-local") {
          id slug name caip2 family ledger genesisHash head safeHeight finalHeight blockCount transactionCount complete
          incompleteBecause
          native { id asset standard contract tokenId symbol name decimals chain { slug } }
          tip { height } ranges { from to }
          following {
            state problem waitingFor lag missing blocksPerSecond etaSeconds
            nodes { name reachable head latencyMs callsPerSecond calls errors lastError }
          }
          activity(points: 5) { time blocks transactions }
          proofCounts { proof blocks of }
          blocks(first: 1) { nodes { height finality } totalCount }
          reorgs { totalCount nodes { id } edges { cursor } pageInfo { hasNextPage } }
          assets(first: 2) { totalCount nodes { asset standard } edges { cursor node { id } } pageInfo { hasNextPage } }
        }
      }`)
      expect(chain).toMatchObject({
        slug: 'evm-local',
        caip2: 'eip155:31337',
        family: 'evm',
        ledger: 'ACCOUNT',
        head: 30,
        safeHeight: 20,
        finalHeight: 15,
        blockCount: 22,
        transactionCount: 39,
        complete: true,
        native: { asset: 'native', standard: 'native', contract: null, tokenId: null, decimals: 18 },
        tip: { height: 21 },
        ranges: [{ from: 0, to: 21 }],
        following: {
          state: 'CATCHING_UP',
          lag: 9,
          missing: 9,
          nodes: [{ latencyMs: 1.5, callsPerSecond: 12.5, calls: 10, errors: 1, lastError: 'timeout' }],
        },
        blocks: { nodes: [{ height: 21, finality: 'PENDING' }], totalCount: 22 },
        reorgs: { totalCount: 0, nodes: [] },
        assets: { totalCount: 9, pageInfo: { hasNextPage: true } },
      })
      expect(chain.incompleteBecause).toBe('')
      expect(chain.activity.length).toBeLessThanOrEqual(5)
      const sum = (of: 'blocks' | 'transactions') =>
        chain.activity.reduce((total: number, point: Record<typeof of, number>) => total + point[of], 0)
      expect([sum('blocks'), sum('transactions')]).toEqual([22, 39])
      expect(chain.proofCounts[0]).toEqual({ proof: 'hash', blocks: 22, of: 22 })
      expect(chain.proofCounts).toContainEqual({ proof: 'receiptsRoot', blocks: 22, of: 22 })
    } finally {
      world.follows.length = 0
    }
  })

  test('an unknown chain is null; a question about one says which there are', async () => {
    expect(await ask('{ chain(slug: "moon") { slug } }')).toEqual({ chain: null })
    expect(await errorOf('{ block(chain: "moon", height: 1) { hash } }')).toMatchObject({
      code: 'BAD_REQUEST',
      message: 'there is no chain "moon" here',
    })
  })

  test('where nobody follows, finality is the definition rule in confirmations', async () => {
    const { block, chain } = await ask(`{
      block(chain: "bitcoin-regtest", height: 11) { finality confirmations }
      chain(slug: "bitcoin-regtest") { safeHeight finalHeight head following { state } }
    }`)
    expect(chain).toEqual({ safeHeight: 105, finalHeight: 11, head: null, following: null })
    expect(block).toEqual({ finality: 'FINAL', confirmations: 100 })
    const { a, b } = await ask(`{
      a: block(chain: "bitcoin-regtest", height: 105) { finality }
      b: block(chain: "bitcoin-regtest", height: 106) { finality }
    }`)
    expect([a.finality, b.finality]).toEqual(['SAFE', 'PENDING'])
  })
})

describe('blocks', () => {
  test('of a development chain, by height and by hash, with its neighbours and its proofs', async () => {
    const { block } = await ask(`{
      block(chain: "bitcoin-regtest", height: 105) {
        id hash parentHash height time size transactionCount proofs unproven { proof reason } fees reward producer
        previous { height } next { height } replacedBy { hash } chain { slug }
        effects { totalCount nodes { kind } }
        details { ... on UtxoBlock {
          version merkleRoot bits nonce difficulty work strippedSize weight proofHash coinbaseScript coinbaseText subsidy
          inputCount outputCount medianTime
        } }
      }
    }`)
    expect(block).toMatchObject({
      height: 105,
      previous: { height: 104 },
      next: { height: 106 },
      replacedBy: null,
      proofs: ['hash', 'parent', 'txRoot', 'witness', 'height', 'inputs', 'pow'],
      unproven: [],
      reward: '5000000000',
      effects: { totalCount: 0, nodes: [] },
      chain: { slug: 'bitcoin-regtest' },
    })
    const [row] = await world.sql.rows<Record<string, unknown>>(
      `SELECT version, merkle_root, nonce, difficulty, work, stripped_size, weight, coinbase_script, subsidy, fees, miner,
        input_count, output_count, hex(bits) AS bits FROM utxo_blocks WHERE chain = 'bitcoin-regtest' AND height = 105`,
    )
    expect(block.details).toMatchObject({
      version: row!.version,
      merkleRoot: row!.merkle_root,
      bits: '207fffff',
      nonce: row!.nonce,
      difficulty: row!.difficulty,
      work: row!.work,
      strippedSize: row!.stripped_size,
      weight: row!.weight,
      proofHash: null,
      coinbaseScript: row!.coinbase_script,
      subsidy: row!.subsidy,
      inputCount: row!.input_count,
      outputCount: row!.output_count,
    })
    expect([block.fees, block.producer]).toEqual([row!.fees, row!.miner])
    const again = await ask(
      'query ($hash: String!) { block(chain: "bitcoin-regtest", hash: $hash) { height } }',
      {
        hash: `0x${block.hash.toUpperCase()}`,
      },
    )
    expect(again).toEqual({ block: { height: 105 } })
    expect(
      await ask('query ($id: ID!) { node(id: $id) { id ... on Block { height } } }', { id: block.id }),
    ).toEqual({ node: { id: block.id, height: 105 } })
  })

  test('one of height and hash, and heights that are heights', async () => {
    for (const args of ['', 'height: 1, hash: "00"']) {
      expect(await errorOf(`{ block(chain: "evm-local", ${args}) { hash } }`)).toMatchObject({
        code: 'BAD_REQUEST',
      })
    }
    expect((await errorOf('{ block(chain: "evm-local", height: -1) { hash } }')).message).toMatch(/height/)
    expect(await ask('{ block(chain: "evm-local", height: 22) { hash } }')).toEqual({ block: null })
    expect(await ask('{ block(chain: "evm-local", hash: "nonsense") { hash } }')).toEqual({ block: null })
  })

  test('page forwards and backwards to the end as one big page reads', async () => {
    const page =
      'edges { cursor node { height } } nodes { chain { slug } height hash } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount'
    const one = (await ask(`{ blocks(chain: "evm-local", first: 100) { ${page} } }`)).blocks
    expect(one.nodes.map((node: Data) => node.height)).toEqual(Array.from({ length: 22 }, (_, at) => 21 - at))
    for (const chain of ['evm-local', null]) {
      const whole = (
        await ask(`query ($chain: String) { blocks(chain: $chain, first: 100) { ${page} } }`, { chain })
      ).blocks
      const total = Math.min(100, whole.totalCount)
      const forwards = await collect(chain, 'first', 'after', page, total)
      expect(forwards).toEqual(whole.nodes)
      const end = await collect(chain, 'last', 'before', page, total)
      if (total === whole.totalCount) expect(end).toEqual(whole.nodes)
      expect(end.length).toBe(total)
    }
  })

  async function collect(chain: string | null, size: string, at: string, page: string, total: number) {
    let nodes: Data[] = []
    let cursor: string | null = null
    for (let pages = 0; pages < 100 && nodes.length < total; pages++) {
      const document = `query ($chain: String, $cursor: String) { blocks(chain: $chain, ${size}: 9, ${at}: $cursor) { ${page} } }`
      const { blocks } = await ask(document, { chain, cursor })
      nodes = size === 'first' ? [...nodes, ...blocks.nodes] : [...blocks.nodes, ...nodes]
      const { hasNextPage, hasPreviousPage, startCursor, endCursor } = blocks.pageInfo
      cursor = size === 'first' ? endCursor : startCursor
      if (!(size === 'first' ? hasNextPage : hasPreviousPage)) break
    }
    return size === 'first' ? nodes.slice(0, total) : nodes.slice(-total)
  }

  test('of all chains stand by time', async () => {
    const { blocks } = await ask('{ blocks(first: 100) { nodes { time } totalCount } }')
    const times = blocks.nodes.map((node: Data) => node.time)
    expect(times).toEqual([...times].sort().reverse())
    expect(blocks.totalCount).toBe(133)
  })
})

describe('an account chain', () => {
  test('a block with its transactions, senders and receivers', async () => {
    const { block } = await ask(`{
      block(chain: "evm-local", height: 15) {
        fees reward producer unproven { proof }
        details { ... on EvmBlock {
          gasUsed gasLimit baseFeePerGas burnt feeReward blockReward uncleInclusionReward difficulty totalDifficulty stateRoot
          transactionsRoot receiptsRoot extraData extraText nonce mixHash blobGasUsed excessBlobGas withdrawalsRoot
          parentBeaconBlockRoot traceSource uncles { hash } withdrawals { totalCount nodes { amount } edges { cursor } pageInfo { endCursor } }
        } }
        transactions {
          totalCount pageInfo { hasNextPage } edges { cursor node { index } }
          nodes { hash status error fee effectsComplete amount senders receivers senderCount receiverCount }
        }
      }
    }`)
    const [sums] = await world.sql.rows<Record<string, string>>(
      `SELECT (SELECT sum(fee) FROM transactions WHERE chain = 'evm-local' AND height = 15) AS fees,
        (SELECT sum(gas_used) FROM evm_transactions WHERE chain = 'evm-local' AND height = 15) AS gas`,
    )
    expect(block.fees).toBe(sums!.fees)
    expect(block.details).toMatchObject({
      gasUsed: Number(sums!.gas),
      difficulty: '0',
      traceSource: 'debug_traceBlockByNumber',
      uncles: [],
      withdrawals: { totalCount: 0, nodes: [] },
    })
    expect((BigInt(block.details.burnt) + BigInt(block.details.feeReward)).toString()).toBe(block.fees)
    expect(block.unproven.map((one: Data) => one.proof)).toEqual([
      'senders',
      'requestsHash',
      'traces',
      'consensus',
    ])
    expect(block.transactions.totalCount).toBe(3)
    expect(block.transactions.nodes[1]).toMatchObject({
      status: 'FAILED',
      error: 'execution reverted: insufficient patience',
      effectsComplete: true,
      amount: '0',
      senders: ['0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266'],
      receivers: ['0x0165878a594ca255338adfa4d48449f69242eb8f'],
      senderCount: 1,
      receiverCount: 1,
    })
  })

  test('2^256 − 1 of a token, digit for digit, in transfer, movement, event and balance', async () => {
    const { block, address } = await ask(`{
      block(chain: "evm-local", height: 17) { transactions { nodes {
        id hash
        tokenTransfers { totalCount pageInfo { hasNextPage } edges { cursor } nodes {
          height time transactionHash logIndex batchIndex standard token from to tokenId amount asset { asset standard contract }
        } }
        movements { totalCount edges { cursor } pageInfo { endCursor } nodes { address amount asset { asset } } }
        effects { totalCount edges { cursor } pageInfo { endCursor }
          nodes { height time index transactionHash kind address amount asset { asset } transaction { hash } block { height } } }
        details { ... on EvmTransaction { logs { totalCount edges { cursor } pageInfo { endCursor } nodes {
          logIndex address topics data event { selector name signature arguments { name type value } }
        } } } }
      } } }
      address(chain: "evm-local", address: "${HOLDER.toUpperCase().replace('0X', '0x')}") {
        balances { totalCount edges { cursor } pageInfo { hasNextPage } nodes { amount asset { asset } } }
      }
    }`)
    const minted = block.transactions.nodes[1]
    expect(minted.tokenTransfers.nodes[0]).toMatchObject({
      standard: 'erc20',
      token: EVERYTHING,
      from: `0x${'0'.repeat(40)}`,
      to: '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
      tokenId: null,
      amount: MAX,
      batchIndex: 0,
      transactionHash: minted.hash,
      asset: { asset: EVERYTHING, standard: 'erc20', contract: EVERYTHING },
    })
    const ofToken = minted.movements.nodes.filter((one: Data) => one.asset.asset === EVERYTHING)
    expect(ofToken.map((one: Data) => [one.address, one.amount])).toEqual([
      ['', `-${MAX}`],
      ['0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc', MAX],
    ])
    const event = minted.details.logs.nodes[0].event
    expect([event.name, event.signature, event.arguments.at(-1).value]).toEqual([
      'Transfer',
      'Transfer(address,address,uint256)',
      MAX,
    ])
    expect(minted.effects.nodes.every((one: Data) => one.transaction.hash === minted.hash)).toBe(true)
    const balance = address.balances.nodes.find((one: Data) => one.asset.asset === EVERYTHING)
    expect(balance.amount).toBe((2n ** 256n - 2n).toString())
    expect(address.balances.nodes[0].asset.asset).toBe('native')
  })

  test('transactions of every type, with the parts of their fee', async () => {
    const { blocks } =
      await ask(`{ blocks(chain: "evm-local", first: 100) { nodes { transactions(first: 10) { nodes { hash fee details {
      __typename ... on EvmTransaction {
        type nonce from senderProven to contractAddress value gasLimit gasUsed gasPrice maxFeePerGas maxPriorityFeePerGas
        maxFeePerBlobGas effectiveGasPrice burntFee producerFee blobGasUsed blobVersionedHashes input
        authorizations { chainId address nonce authority }
        call { selector name signature arguments { name type value } }
      } } } } } } }`)
    const all = blocks.nodes.flatMap((block: Data) => block.transactions.nodes)
    expect(all.length).toBe(39)
    const types = new Set(all.map((one: Data) => one.details.type))
    expect([...types].sort()).toEqual([0, 1, 2, 3, 4])
    for (const { fee, details } of all) {
      expect((BigInt(details.burntFee) + BigInt(details.producerFee)).toString()).toBe(fee)
      expect(details.senderProven).toBe(false)
      if (details.to !== null) expect(details.contractAddress).toBe(null)
    }
    expect(all.find((one: Data) => one.details.type === 3).details).toMatchObject({
      blobGasUsed: 131_072,
      blobVersionedHashes: [expect.stringMatching(/^0x01/)],
    })
    expect(all.find((one: Data) => one.details.type === 4).details.authorizations).toMatchObject([
      { chainId: '31337' },
    ])
  })

  test('a reverted call among call frames', async () => {
    const { block } =
      await ask(`{ block(chain: "evm-local", height: 15) { transactions { nodes { details { ... on EvmTransaction {
      traces { totalCount edges { cursor } pageInfo { hasNextPage } nodes {
        index traceAddress type from to value gas gasUsed input output error reverted
      } }
    } } } } } }`)
    const [frame] = block.transactions.nodes[1].details.traces.nodes
    expect(frame).toMatchObject({
      index: 0,
      traceAddress: [],
      type: 'CALL',
      value: '2000000000000000000',
      error: 'execution reverted: insufficient patience',
      reverted: true,
    })
  })

  test('an address: history by direction and asset, what it holds, what is there', async () => {
    const { address } = await ask(`{ address(chain: "evm-local", address: "${HOLDER}") {
      id address complete since transactionCount chain { slug } firstSeen { height } lastSeen { height } alsoOn { slug }
      effects { totalCount nodes { height index amount } edges { cursor } pageInfo { hasNextPage } }
      into: effects(direction: IN) { totalCount nodes { amount } }
      out: effects(direction: OUT) { totalCount }
      gold: effects(asset: "${EVERYTHING.toUpperCase().replace('0X', '0x')}") { totalCount }
      early: effects(toHeight: 10) { totalCount nodes { height } }
      tokens { totalCount }
      tokenTransfers { totalCount }
    } }`)
    const rows = await world.sql.rows<{ height: string; index: number; amount: string; asset: string }>(
      `SELECT height, index, amount, asset FROM address_effects WHERE chain = 'evm-local' AND address = '${HOLDER}'
      ORDER BY height DESC, index DESC`,
    )
    expect(address.effects.nodes).toEqual(
      rows.map(row => ({ height: Number(row.height), index: row.index, amount: row.amount })),
    )
    const count = (fits: (row: (typeof rows)[number]) => boolean) => rows.filter(fits).length
    expect(address).toMatchObject({
      complete: true,
      since: 0,
      firstSeen: { height: Number(rows.at(-1)!.height) },
      lastSeen: { height: Number(rows[0]!.height) },
      alsoOn: [],
      into: { totalCount: count(row => !row.amount.startsWith('-')) },
      out: { totalCount: count(row => row.amount.startsWith('-')) },
      gold: { totalCount: count(row => row.asset === EVERYTHING) },
      early: { totalCount: count(row => Number(row.height) <= 10) },
      tokens: { totalCount: 0 },
      tokenTransfers: { totalCount: 0 },
    })
    const forwards: Data[] = []
    for (let cursor: string | null = null, pages = 0; pages < 20; pages++) {
      const page: Data = await ask(
        `query ($cursor: String) { address(chain: "evm-local", address: "${HOLDER}") { effects(first: 4, after: $cursor) {
          nodes { height index amount } pageInfo { hasNextPage endCursor } } } }`,
        { cursor },
      )
      forwards.push(...page.address.effects.nodes)
      cursor = page.address.effects.pageInfo.endCursor
      if (!page.address.effects.pageInfo.hasNextPage) break
    }
    expect(forwards).toEqual(address.effects.nodes)
    const { address: last } = await ask(
      `{ address(chain: "evm-local", address: "${HOLDER}") { effects(last: 3) { nodes { height index amount } } } }`,
    )
    expect(last.effects.nodes).toEqual(address.effects.nodes.slice(-3))
  })

  test('the contract of a token, its ids and transfers; unknown addresses are null', async () => {
    const { address, asset, nobody } = await ask(`{
      address(chain: "evm-local", address: "${GOODS}") {
        transactionCount
        tokens { totalCount edges { cursor } pageInfo { hasNextPage } nodes { id asset standard contract tokenId symbol } }
        tokenTransfers(first: 3) { totalCount pageInfo { hasNextPage endCursor } nodes { height amount standard } }
      }
      asset(chain: "evm-local", asset: "${GOODS}/10") { id asset standard contract tokenId symbol name decimals chain { slug } }
      nobody: address(chain: "evm-local", address: "0x${'12'.repeat(20)}") { address }
    }`)
    expect(address.tokens.nodes.map((one: Data) => [one.asset, one.tokenId, one.standard])).toEqual(
      [10, 11, 12].map(id => [`${GOODS}/${id}`, String(id), 'erc1155']),
    )
    expect(address.tokenTransfers).toMatchObject({ totalCount: 7, pageInfo: { hasNextPage: true } })
    expect(asset).toMatchObject({
      standard: 'erc1155',
      contract: GOODS,
      tokenId: '10',
      symbol: null,
      decimals: null,
    })
    expect(nobody).toBe(null)
    for (const node of [asset, address.tokens.nodes[0]]) {
      const found = await ask('query ($id: ID!) { node(id: $id) { ... on Asset { asset } } }', {
        id: node.id,
      })
      expect(found.node.asset).toBe(node.asset)
    }
  })
})

describe('a utxo chain', () => {
  test('inputs, outputs, who spends them, text, and the sum of movements', async () => {
    const { block } =
      await ask(`{ block(chain: "bitcoin-regtest", height: 105) { transactions(first: 3) { nodes {
      id chain { slug } hash index time status error fee block { height } amount senders receivers senderCount receiverCount effectsComplete
      movements { nodes { amount } }
      details { ... on UtxoTransaction {
        version lockTime size virtualSize weight witnessHash isCoinbase inputAmount outputAmount feeRate
        inputs { totalCount edges { cursor } pageInfo { endCursor } nodes {
          index isCoinbase previousHash previousIndex amount address scriptType source scriptSig witness sequence } }
        outputs { totalCount edges { cursor } pageInfo { endCursor } nodes {
          index amount address scriptType scriptPubkey text spentBy { transactionHash index height } } }
      } }
    } } } }`)
    const [coinbase, payment] = block.transactions.nodes
    expect(coinbase).toMatchObject({
      fee: '0',
      senders: [],
      senderCount: 0,
      receiverCount: 1,
      amount: '5000119623',
    })
    expect(coinbase.details).toMatchObject({ isCoinbase: true, inputAmount: null, feeRate: null })
    expect(coinbase.details.inputs.nodes[0]).toMatchObject({
      isCoinbase: true,
      previousHash: null,
      source: 'coinbase',
    })
    expect(payment).toMatchObject({
      senderCount: 1,
      receiverCount: 8,
      effectsComplete: true,
      chain: { slug: 'bitcoin-regtest' },
    })
    expect(payment.senders).toEqual(['bcrt1qkp4ews8gh9hvr7g8fecps8jv0p944dmjwd2zv8'])
    expect(payment.receivers.length).toBe(3)
    const { inputAmount, outputAmount, feeRate, virtualSize, outputs } = payment.details
    expect(BigInt(inputAmount) - BigInt(outputAmount)).toBe(BigInt(payment.fee))
    expect(feeRate).toBeCloseTo(Number(payment.fee) / virtualSize)
    expect(outputs.nodes.at(-1)).toMatchObject({
      scriptType: 'nulldata',
      text: 'wanlian block 105',
      spentBy: null,
    })
    const sum = payment.movements.nodes.reduce((total: bigint, one: Data) => total + BigInt(one.amount), 0n)
    expect(sum).toBe(0n)
    const spent = outputs.nodes.find((one: Data) => one.spentBy !== null)
    const { transaction } = await ask(
      `query ($hash: String!) { transaction(chain: "bitcoin-regtest", hash: $hash) {
        block { height } details { ... on UtxoTransaction { inputs { nodes { index previousHash previousIndex } } } } } }`,
      { hash: spent.spentBy.transactionHash },
    )
    expect(transaction.block.height).toBe(spent.spentBy.height)
    expect(transaction.details.inputs.nodes[spent.spentBy.index]).toMatchObject({
      previousHash: payment.hash,
      previousIndex: spent.index,
    })
  })

  test('balances are what the script that made the transactions says', async () => {
    const facts = JSON.parse(
      readFileSync(new URL('./fixtures/recordings/bitcoin-regtest/FACTS.json', import.meta.url), 'utf8'),
    ) as { balances: { address: string; amount: string }[] }
    for (const { address, amount } of facts.balances.slice(0, 12)) {
      const typed = address.startsWith('bcrt1') ? address.toUpperCase() : address
      const found = await ask(
        'query ($typed: String!) { address(chain: "bitcoin-regtest", address: $typed) { address balances { nodes { amount } } } }',
        { typed },
      )
      expect(found.address).toEqual({ address, balances: { nodes: [{ amount }] } })
    }
  })
})

describe('the whole schema', () => {
  test('every field of every type was asked for here, but those of reorgs, events, uncles, withdrawals and webhooks', async () => {
    const { status, reorgs, reorg, blocks, chains } = await ask(`{
      chains { slug }
      search(query: "evm-local") { query readAs hits { chain { slug } target { __typename } } notIndexed { slug } }
      status {
        version startedAt deadLetters chains { slug }
        setAside { chain { slug } height hash code reason time attempts }
        differences { chain { slug } fromHeight toHeight delivered stored differences time }
      }
      reorg(chain: "evm-local", batch: 1) { id }
      blocks(first: 1) { nodes { reorg { id } transactions(first: 1) { nodes { minedAgain { hash } } } } }
      reorgs { totalCount nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
    }`)
    expect(status).toMatchObject({ version: '0.0.0-test', deadLetters: 0, setAside: [], differences: [] })
    expect(status.startedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(status.chains).toEqual(chains)
    expect(reorgs.totalCount).toBe(0)
    expect([reorg, blocks.nodes[0].reorg]).toEqual([null, null])
    const elsewhere = new Set(['Reorg', 'BlockEvent', 'Subscription', 'Uncle', 'Withdrawal'])
    const edges = /(Edge|Connection)$/
    const missing = Object.values(schema.getTypeMap())
      .filter(isObjectType)
      .filter(({ name }) => !name.startsWith('__') && !elsewhere.has(name) && !edges.test(name))
      .filter(type => !isOfWebhooks(type.name))
      .flatMap(type => Object.keys(type.getFields()).map(field => `${type.name}.${field}`))
      .filter(field => !asked.has(field) && !/^Query\.webhooks?$/.test(field))
    expect(missing).toEqual([])
  })
})
