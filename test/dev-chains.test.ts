import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { Block, initEccLib, networks, payments, Transaction } from 'bitcoinjs-lib'
import secp256k1 from 'secp256k1'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseGenesisFile, stateRootOf } from '../crawlers/evm/genesis.ts'
import { openRecording } from '../crawlers/recording.ts'
import { openRpc, type Rpc } from '../crawlers/rpc.ts'
import { assemble } from '../deploy/dev/assembler.ts'
import { createRegtestChain, type RegtestBlock, type RegtestChain } from '../deploy/dev/bitcoin-regtest.ts'
import { withChecksum } from '../deploy/dev/core-script.ts'
import { type Anvil, runEvmScenario, startAnvil } from '../deploy/dev/evm-local.ts'
import type { EvmFacts } from '../deploy/dev/evm-stage.ts'
import { deriveKey, signSchnorr, verifySchnorr } from '../deploy/dev/keys.ts'
import { createLock, LOCK_KINDS } from '../deploy/dev/locks.ts'
import { REGTEST_FIXTURE_SEED } from '../deploy/dev/record-regtest.ts'
import { type RegtestNode, startRegtestNode } from '../deploy/dev/regtest-node.ts'
import { formatHex, formatHex0x, parseHex } from '../schema/bytes.ts'
import { replayBlocks } from './fixtures/block-replay.ts'
import { parseExactBlock } from './fixtures/exact-block.ts'

const fixtures = fileURLToPath(new URL('fixtures/recordings', import.meta.url))

/** A chain with ripe coinbases and some varied blocks on top. */
function variedChain(seed: string, varied = 6): RegtestChain {
  const chain = createRegtestChain({ seed })
  for (let n = 0; n < 101; n++) chain.mine()
  for (let n = 0; n < varied; n++) chain.mineVaried()
  return chain
}

function allBlocks(chain: RegtestChain): RegtestBlock[] {
  return Array.from({ length: chain.head.height + 1 }, (_, height) => chain.blockAt(height)!)
}

describe('bitcoin regtest chain', () => {
  test('starts from the genesis block of regtest', () => {
    const { head } = createRegtestChain({ seed: 'a' })
    expect(head.hash).toBe('0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206')
    expect(Block.fromBuffer(head.bytes).checkProofOfWork()).toBe(true)
  })

  test('every block is valid and every input of every kind is signed', () => {
    const chain = variedChain('valid')
    const kinds = replayBlocks(allBlocks(chain))
    expect([...kinds].sort()).toEqual([...LOCK_KINDS].sort())
  })

  test('blocks hold data carriers and spends of outputs of the same block', () => {
    const { transactions } = variedChain('kinds').head
    const ids = new Set(transactions.map(tx => formatHex(tx.getHash())))
    expect(transactions.some(tx => tx.ins.some(input => ids.has(formatHex(input.hash))))).toBe(true)
    expect(transactions.slice(1).some(tx => tx.outs.some(output => output.script[0] === 0x6a))).toBe(true)
  })

  test('the same seed gives the same bytes, another seed others', () => {
    const bytes = (seed: string) => allBlocks(variedChain(seed, 3)).map(block => formatHex(block.bytes))
    expect(bytes('one')).toEqual(bytes('one'))
    expect(bytes('one').at(-1)).not.toBe(bytes('two').at(-1))
  })

  test('a reorg replaces blocks by one more, and the chain stays valid', () => {
    const chain = variedChain('reorg')
    const before = chain.head
    const { removed, added, commonAncestor } = chain.reorg(3)
    expect([removed.length, added.length]).toEqual([3, 4])
    expect(removed.at(-1)).toBe(before)
    expect(commonAncestor.height).toBe(before.height - 3)
    expect(chain.head.height).toBe(before.height + 1)
    expect(chain.isActive(before)).toBe(false)
    expect(chain.blockByHash(before.hash)).toBe(before)
    const again = new Set(removed[0]!.transactions.map(tx => tx.getId()))
    expect(added[0]!.transactions.filter(tx => again.has(tx.getId())).length).toBeGreaterThan(0)
    chain.mineVaried()
    replayBlocks(allBlocks(chain))
    expect(() => chain.reorg(0)).toThrow(/depth/)
    expect(() => chain.reorg(chain.head.height + 1)).toThrow(/depth/)
  })

  test('refuses to mine what spends missing, unripe or too few coins', () => {
    const chain = variedChain('refuse', 1)
    const { height } = chain.head
    const varied = variedChain('refuse', 2).head.transactions.slice(1)
    expect(() => chain.mine(varied.toReversed())).toThrow()
    const unripe = new Transaction()
    unripe.addInput(chain.head.transactions[0]!.getHash(), 0)
    expect(() => chain.mine([unripe])).toThrow(/coinbase/)
    const greedy = varied[0]!.clone()
    greedy.outs[0]!.value += 5_000_000_000n
    expect(() => chain.mine([greedy])).toThrow(/fee/)
    expect(chain.head.height).toBe(height)
    expect(chain.mine(varied).transactions.length).toBe(varied.length + 1)
  })

  test('follows a clock when it is given one', () => {
    let now = 1_800_000_000
    const chain = createRegtestChain({ seed: 'clock', clock: () => now })
    expect(chain.mine().block.timestamp).toBe(now)
    now += 7
    expect(chain.mine().block.timestamp).toBe(now)
    now -= 3_600
    expect(chain.mine().block.timestamp).toBeGreaterThan(chain.blockAt(2)!.medianTime)
  })

  test('signs and checks as BIP 340 wants it', () => {
    const secret = parseHex('03', 1)
    const key = Buffer.concat([Buffer.alloc(31), secret])
    const signature = signSchnorr(
      { secret: key, publicKey: secp256k1.publicKeyCreate(key) },
      new Uint8Array(32),
    )
    // vector 0 of BIP 340
    expect(formatHex(signature)).toBe(
      'e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0',
    )
    const publicKey = secp256k1.publicKeyCreate(key).slice(1)
    expect(verifySchnorr(signature, new Uint8Array(32), publicKey)).toBe(true)
    expect(verifySchnorr(signature, new Uint8Array(32).fill(1), publicKey)).toBe(false)
  })

  test('taproot outputs are the ones that bitcoinjs-lib derives', () => {
    initEccLib({
      isXOnlyPoint: point => secp256k1.publicKeyVerify(Buffer.concat([Uint8Array.of(2), point])),
      xOnlyPointAddTweak: (point, tweak) => {
        try {
          const sum = secp256k1.publicKeyTweakAdd(Buffer.concat([Uint8Array.of(2), point]), tweak)
          return { parity: sum[0] === 3 ? 1 : 0, xOnlyPubkey: sum.slice(1) }
        } catch {
          return null
        }
      },
    })
    for (const owner of ['alice', 'bob', 'carol', 'miner']) {
      const internalPubkey = deriveKey(`s/${owner}/p2tr/0`).publicKey.slice(1)
      const { address } = payments.p2tr({ internalPubkey, network: networks.regtest })
      expect(createLock('s', owner, 'p2tr').address).toBe(address)
    }
  })

  test('descriptors carry the checksum of BIP 380', () => {
    expect(withChecksum('raw(deadbeef)')).toBe('raw(deadbeef)#89f8spxm')
  })
})

describe('regtest node', () => {
  const chain = variedChain('node')
  let node: RegtestNode
  beforeAll(async () => {
    node = await startRegtestNode(chain, { credentials: 'user:secret' })
  })
  afterAll(() => node.close())

  async function post(
    body: string,
    authorization = `Basic ${Buffer.from('user:secret').toString('base64')}`,
  ) {
    const { statusCode, body: answer } = await request(node.url, {
      method: 'POST',
      body,
      headers: { authorization },
    })
    return { status: statusCode, text: await answer.text() }
  }
  async function call(method: string, ...params: unknown[]) {
    const { status, text } = await post(JSON.stringify({ id: 7, method, params }))
    const { result, error } = JSON.parse(text)
    return { status, result, error, text }
  }

  test('answers the questions of a crawler', async () => {
    const { height, hash, bytes } = chain.head
    expect((await call('getblockcount')).result).toBe(height)
    expect((await call('getbestblockhash')).result).toBe(hash)
    expect((await call('getblockhash', height)).result).toBe(hash)
    expect((await call('getblockchaininfo')).result).toMatchObject({ chain: 'regtest', blocks: height })
    expect((await call('getblock', hash, 0)).result).toBe(formatHex(bytes))
    expect((await call('getblock', hash, false)).result).toBe(formatHex(bytes))
    expect((await call('getblockheader', hash, false)).result).toBe(formatHex(bytes.subarray(0, 80)))
    const header = (await call('getblockheader', hash)).result
    expect(header).toMatchObject({ hash, height, confirmations: 1, bits: '207fffff', versionHex: '20000000' })
    const ids = chain.head.transactions.map(tx => tx.getId())
    expect((await call('getblock', hash)).result).toMatchObject({ ...header, tx: ids, size: bytes.length })
  })

  test('prints amounts exactly, with fees and spent outputs', async () => {
    const { hash } = chain.head
    const { text } = await call('getblock', hash, 3)
    const transactions = parseExactBlock(text)
    let fees = 0n
    for (const tx of transactions.slice(1)) {
      const taken = tx.vin.reduce((total, input) => total + input.prevout.value, 0n)
      const given = tx.vout.reduce((total, output) => total + output.value, 0n)
      expect(tx.fee).toBe(taken - given)
      fees += tx.fee
    }
    expect(transactions[0]!.vout[0]!.value).toBe(5_000_000_000n + fees)
    expect(text).toContain('"value":50.00000000')
    for (const tx of transactions) expect(Transaction.fromHex(tx.hex).getId()).toBe(tx.txid)
    const two = (await call('getblock', hash, 2)).result
    expect(two.tx[1].fee).toBeGreaterThan(0)
    expect(two.tx[1].vin[0].prevout).toBeUndefined()
    const types = transactions.flatMap(tx => tx.vout.map(output => output.scriptPubKey.type))
    expect(new Set(types)).toEqual(
      new Set(
        'pubkey pubkeyhash scripthash multisig witness_v0_keyhash witness_v0_scripthash witness_v1_taproot nulldata'.split(
          ' ',
        ),
      ),
    )
  })

  test('finds transactions and unspent outputs', async () => {
    const { transactions, hash } = chain.head
    const tx = transactions[1]!
    expect((await call('getrawtransaction', tx.getId())).result).toBe(tx.toHex())
    expect((await call('getrawtransaction', tx.getId(), 1)).result).toMatchObject({
      txid: tx.getId(),
      blockhash: hash,
      confirmations: 1,
    })
    const named = (await call('getrawtransaction', tx.getId(), true, hash)).result
    expect(named.in_active_chain).toBe(true)
    expect((await call('gettxout', tx.getId(), 0)).result).toMatchObject({ bestblock: hash, coinbase: false })
    expect((await call('gettxout', '00'.repeat(32), 0)).result).toBeNull()
  })

  test('refuses as bitcoind does', async () => {
    const outcome = async (method: string, ...params: unknown[]) => {
      const { status, result, error } = await call(method, ...params)
      expect(result).toBeNull()
      return [status, error.code, error.message]
    }
    expect(await outcome('getblockhash', 100_000)).toEqual([500, -8, 'Block height out of range'])
    expect(await outcome('getblock', '00'.repeat(32))).toEqual([500, -5, 'Block not found'])
    expect((await outcome('getblock', 'abc')).slice(0, 2)).toEqual([500, -8])
    expect((await outcome('getrawtransaction', '11'.repeat(32))).slice(0, 2)).toEqual([500, -5])
    expect(await outcome('getwhatever')).toEqual([404, -32601, 'Method not found'])
    const genesis = chain.blockAt(0)!.transactions[0]!.getId()
    expect((await outcome('getrawtransaction', genesis))[1]).toBe(-5)
    expect((await post('{')).text).toContain('-32700')
    expect(await post('{}', 'Basic bm9ib2R5')).toEqual({ status: 401, text: '' })
  })

  test('answers batches, and our own client', async () => {
    const { status, text } = await post(
      JSON.stringify([
        { id: 1, method: 'getblockcount' },
        { id: 2, method: 'getblockhash', params: [-1] },
      ]),
    )
    expect(status).toBe(200)
    expect(JSON.parse(text)).toMatchObject([
      { id: 1, result: chain.head.height, error: null },
      { id: 2, result: null, error: { code: -8 } },
    ])
    const rpc = await openRpc([{ url: node.url.replace('//', '//user:secret@') }])
    expect(await rpc.call('getblockhash', [0])).toBe(chain.blockAt(0)!.hash)
    await rpc.close()
  })

  test('keeps orphaned blocks readable', async () => {
    const orphan = chain.head
    chain.reorg(2)
    expect((await call('getblock', orphan.hash)).result).toMatchObject({ confirmations: -1 })
    expect((await call('getblock', orphan.hash)).result.nextblockhash).toBeUndefined()
    expect((await call('getblockhash', orphan.height)).result).not.toBe(orphan.hash)
    const lost = orphan.transactions[0]!.getId()
    expect((await call('getrawtransaction', lost, 1)).result).toMatchObject({ confirmations: 0 })
  })
})

describe('recording of the regtest chain', () => {
  const directory = join(fixtures, 'bitcoin-regtest')

  test('is what the script makes today, and its facts hold on the recorded blocks', async () => {
    const facts = JSON.parse(await readFile(join(directory, 'FACTS.json'), 'utf8'))
    const balances: { owner: string; address: string; amount: string }[] = facts.balances
    const chain = createRegtestChain({ seed: REGTEST_FIXTURE_SEED })
    for (let n = 0; n < 101; n++) chain.mine()
    for (let n = 0; n < 8; n++) chain.mineVaried()
    chain.mine()
    expect(facts.head).toEqual({ height: chain.head.height, hash: chain.head.hash })
    const recording = await openRecording(directory)
    const jsonOnly = Object.values(facts.jsonOnly)
    for (const block of allBlocks(chain)) {
      expect(await recording.call('getblockhash', [block.height])).toBe(block.hash)
      if (jsonOnly.includes(block.height)) continue
      expect(await recording.call('getblock', [block.hash, 0])).toBe(formatHex(block.bytes))
    }
    const total = balances.reduce((sum, entry) => sum + BigInt(entry.amount), 0n)
    expect(total).toBe(5_000_000_000n * BigInt(chain.head.height))
    const unspent = new Map<string, bigint>()
    for (const { script, value } of chain.spendable()) {
      const { address } = chain.wallet.lockOf(script)!
      unspent.set(address, (unspent.get(address) ?? 0n) + value)
    }
    for (const { owner, address, amount } of balances) {
      // the miner's younger coins are not ripe yet
      if (owner !== 'miner') expect(unspent.get(address) ?? 0n).toBe(BigInt(amount))
    }
  })
})

test('the assembler places labels and pushes numbers in as few bytes as they need', () => {
  expect(formatHex(assemble('0 1 0x0100 ; comment\n again: @again JUMP'))).toBe('5f60016101005b61000656')
  expect(() => assemble('NOTHING')).toThrow(/instruction/)
  expect(() => assemble('@nowhere JUMP')).toThrow(/label/)
})

describe('local Ethereum node', () => {
  let node: Anvil
  let rpc: Rpc
  let facts: EvmFacts
  beforeAll(async () => {
    node = await startAnvil()
    rpc = await openRpc([{ url: node.url }])
    facts = await runEvmScenario(node.url)
  })
  afterAll(async () => {
    await rpc?.close()
    await node?.close()
  })

  async function receipts() {
    const numbers = Array.from({ length: facts.blocks }, (_, height) => `0x${height.toString(16)}`)
    const all = await Promise.all(numbers.map(number => rpc.call('eth_getBlockReceipts', [number])))
    return all.flat() as { status: string; type: string; transactionHash: string; logs: unknown[] }[]
  }

  test('holds the blocks, transactions and failures that the scenario made', async () => {
    expect(Number(await rpc.call('eth_blockNumber', []))).toBe(facts.blocks - 1)
    const all = await receipts()
    expect(all.length).toBe(facts.transactions)
    expect(new Set(all.map(receipt => receipt.type))).toEqual(new Set(['0x0', '0x1', '0x2', '0x3', '0x4']))
    const failed = all.filter(receipt => receipt.status === '0x0').map(receipt => receipt.transactionHash)
    expect(failed.sort()).toEqual([...facts.failedTransactions].sort())
    expect(all.flatMap(receipt => receipt.logs).length).toBe(facts.logs)
  })

  test('a state with contracts has the root that the node computed', async () => {
    const { stateRoot } = (await rpc.call('eth_getBlockByNumber', ['latest', false])) as { stateRoot: string }
    const packed = (await rpc.call('anvil_dumpState', [])) as string
    const { accounts } = JSON.parse(gunzipSync(Buffer.from(packed.slice(2), 'hex')).toString('utf8'))
    const state = parseGenesisFile(JSON.stringify({ alloc: accounts }))
    expect(state.some(({ code, storage }) => code.length > 0 && storage.length > 0)).toBe(true)
    expect(formatHex0x(stateRootOf(state))).toBe(stateRoot)
  })

  test('agrees with every balance that the scenario knows', async () => {
    expect(facts.ether.length).toBeGreaterThan(15)
    for (const { address, amount, name } of facts.ether) {
      expect(BigInt(String(await rpc.call('eth_getBalance', [address, 'latest']))), name).toBe(BigInt(amount))
    }
  })

  test('tokens tell their names', async () => {
    for (const { address, name } of facts.tokens) {
      const answer = String(await rpc.call('eth_call', [{ to: address, data: '0x06fdde03' }, 'latest']))
      const bytes = parseHex(answer)
      const length = Number(bytes.readBigUInt64BE(56))
      expect(bytes.subarray(64, 64 + length).toString('utf8')).toBe(name)
    }
    const most = facts.tokenBalances.find(balance => BigInt(balance.amount) === 2n ** 256n - 2n)
    expect(most).toBeDefined()
  })

  test('is the chain of the recording', async () => {
    const directory = join(fixtures, 'evm-local')
    const { about: _, ...recorded } = JSON.parse(await readFile(join(directory, 'FACTS.json'), 'utf8'))
    expect(facts).toEqual(recorded)
    expect(await readdir(join(directory, 'eth_getBlockByNumber'))).toHaveLength(facts.blocks)
    const last = [`0x${(facts.blocks - 1).toString(16)}`, true]
    const recording = await openRecording(directory)
    expect(await recording.call('eth_getBlockByNumber', last)).toEqual(
      await rpc.call('eth_getBlockByNumber', last),
    )
  })

  test('ends when its parent is killed', async () => {
    const code = `import { startAnvil } from './deploy/dev/evm-local.ts'
      const node = await startAnvil(); process.stdout.write(String(node.pid)); setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [printed] = await new Promise<[Buffer]>(resolve =>
      parent.stdout.once('data', data => resolve([data])),
    )
    const pid = Number(printed.toString())
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    for (let n = 0; n < 100 && isAlive(pid); n++) await pause(50)
    expect(isAlive(pid)).toBe(false)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
