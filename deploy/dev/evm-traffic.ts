import {
  concat,
  getAddress,
  getCreate2Address,
  getCreateAddress,
  hexlify,
  id,
  keccak256,
  type TransactionRequest,
  toBeHex,
  zeroPadValue,
} from 'ethers'
import { deploying } from './assembler.ts'
import {
  encodeLogs,
  endlessCode,
  factoryCode,
  forwarderCode,
  mortalCode,
  proxyCode,
  refusingCode,
  stillbornCode,
  tokenCode,
} from './contracts.ts'
import { blobTransaction, encodePayments } from './evm-acts.ts'
import { type Actor, deriveActors, ETHER, GAS_PRICE } from './evm-stage.ts'
import {
  erc20Transfer,
  erc721Transfer,
  erc1155Batch,
  erc1155Single,
  NOBODY,
  type TokenEvent,
} from './evm-tokens.ts'
import type { Randomness } from './randomness.ts'

/** Token, token id or empty text, giver, taker, amount in decimal. */
export type HoldingMove = readonly [token: string, tokenId: string, from: string, to: string, amount: string]

/** A signed transaction, and which tokens it moves. */
export interface PlannedTransaction {
  raw: string
  moves: readonly HoldingMove[]
}

/** Who holds which tokens: nobody sends what he does not have. */
export interface Holdings {
  apply(moves: readonly HoldingMove[]): void
  undo(moves: readonly HoldingMove[]): void
  /** Of one token, in order of their first appearance; without those that hold nothing. */
  of(token: string): { owner: string; tokenId: bigint; amount: bigint }[]
}

export function createHoldings(): Holdings {
  const amounts = new Map<string, Map<string, bigint>>()
  function add(token: string, tokenId: string, owner: string, amount: bigint): void {
    if (owner === NOBODY) return
    const held = amounts.get(token) ?? new Map<string, bigint>()
    amounts.set(token, held)
    const key = `${tokenId}/${owner}`
    const now = (held.get(key) ?? 0n) + amount
    if (now === 0n) held.delete(key)
    else held.set(key, now)
  }
  function move(moves: readonly HoldingMove[], sign: bigint): void {
    for (const [token, tokenId, from, to, amount] of moves) {
      add(token, tokenId, from, -BigInt(amount) * sign)
      add(token, tokenId, to, BigInt(amount) * sign)
    }
  }
  return {
    apply: moves => move(moves, 1n),
    undo: moves => move(moves, -1n),
    of: token =>
      [...(amounts.get(token) ?? [])].map(([key, amount]) => {
        const [tokenId, owner] = key.split('/') as [string, string]
        return { owner, tokenId: BigInt(tokenId || 0), amount }
      }),
  }
}

const COINS = [
  { name: 'Wanlian Gold', symbol: 'WGLD', decimals: 18, mint: 50_000n * ETHER },
  { name: 'Dev Dollar', symbol: 'DUSD', decimals: 6, mint: 25_000_000_000n },
  { name: '龙井 Tea Points', symbol: 'TEA', decimals: 0, mint: 888n },
]
const ART = { name: '万链 Art', symbol: 'WART', decimals: 0 }
const GOODS = { name: 'Wanlian Goods', symbol: 'WGDS', decimals: 0 }
const REASONS = ['insufficient patience', 'price moved too far', 'only the owner may do this']
const STRANGERS = 40
/** Holders of a token beyond which it is rather sent than minted. */
const MANY_HOLDERS = 60

/** Makes the transactions of a busy development chain. */
export interface Traffic {
  /** Deploys what later blocks use: the first blocks of a chain, from fresh accounts. */
  opening(): Promise<PlannedTransaction[][]>
  /**
   * The transactions of one block. `holdings` are brought up to date with it.
   * @param nonces next nonce of each account, by address as `addresses` has it.
   * @param withBlob one of them has a blob: the first one costs a node seconds.
   */
  block(
    nonces: ReadonlyMap<string, number>,
    holdings: Holdings,
    random: Randomness,
    withBlob: boolean,
  ): Promise<PlannedTransaction[]>
  /** Accounts that send. */
  addresses: readonly string[]
}

interface Draft {
  actor(): Actor
  other(not: string): string
  send(from: Actor, request: TransactionRequest, gas?: bigint): Promise<void>
  emit(token: string, event: TokenEvent): Promise<void>
  random: Randomness
  holdings: Holdings
}

type Act = (draft: Draft) => Promise<void>

export function createTraffic(chainId: number): Traffic {
  const actors = deriveActors()
  const deployer = actors[0]!
  const operators = actors.slice(1)
  const strangers = Array.from({ length: STRANGERS }, (_, n) => stranger(`friend ${n}`))
  const codes = [
    ...[...COINS, ART, GOODS].map(tokenCode),
    forwarderCode(),
    forwarderCode({ thenRevert: true }),
    factoryCode(),
    endlessCode(),
    ...REASONS.map(refusingCode),
  ]
  const places = codes.map((_, nonce) => getCreateAddress({ from: deployer.address, nonce }))
  const proxyPlace = getCreateAddress({ from: deployer.address, nonce: codes.length })
  const coins = places.slice(0, COINS.length)
  const [art, goods, forwarder, undoing, factory, endless, ...refusing] = places.slice(COINS.length) as [
    string,
    string,
    string,
    string,
    string,
    string,
    ...string[],
  ]

  async function sign(from: Actor, nonce: number, request: TransactionRequest, gas: bigint): Promise<string> {
    const legacy = request.type === 0 || request.type === 1
    return from.wallet.signTransaction({
      chainId,
      nonce,
      gasLimit: gas,
      type: 2,
      ...(legacy
        ? { gasPrice: GAS_PRICE }
        : { maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: GAS_PRICE / 2n }),
      ...request,
    })
  }

  async function opening(): Promise<PlannedTransaction[][]> {
    const requests: TransactionRequest[] = codes.map(code => ({ data: hexlify(deploying(code)) }))
    requests.push({ data: hexlify(deploying(proxyCode(forwarder))), value: 50n * ETHER })
    const signed = await Promise.all(
      requests.map((request, nonce) => sign(deployer, nonce, request, 1_000_000n)),
    )
    const planned = signed.map(raw => ({ raw, moves: [] }))
    return [planned.slice(0, 5), planned.slice(5, 9), planned.slice(9)]
  }

  async function block(
    nonces: ReadonlyMap<string, number>,
    holdings: Holdings,
    random: Randomness,
    withBlob: boolean,
  ): Promise<PlannedTransaction[]> {
    const next = new Map(nonces)
    const planned: PlannedTransaction[] = []
    const takeNonce = (from: Actor) => {
      const nonce = next.get(from.address) ?? 0
      next.set(from.address, nonce + 1)
      return nonce
    }
    const draft: Draft = {
      random,
      holdings,
      actor: () => random.pick(operators),
      other(not) {
        const everybody = [...operators.map(actor => actor.address), ...strangers]
        return random.pick(everybody.filter(address => address !== not))
      },
      async send(from, request, gas = 400_000n) {
        planned.push({ raw: await sign(from, takeNonce(from), request, gas), moves: [] })
      },
      async emit(token, { log, moves: tokens }) {
        const from = draft.actor()
        const moves = tokens.map(
          ({ from: giver, to, tokenId, amount }): HoldingMove => [
            token,
            tokenId === null ? '' : String(tokenId),
            giver,
            to,
            String(amount),
          ],
        )
        holdings.apply(moves)
        const request = { to: token, data: encodeLogs([log]) }
        planned.push({ raw: await sign(from, takeNonce(from), request, 400_000n), moves })
      },
    }
    const delegate: Act = async ({ actor, other, send }) => {
      const [signer, sender] = [actor(), actor()]
      if (signer === sender) return
      const authorization = signer.wallet.authorizeSync({
        address: forwarder,
        nonce: takeNonce(signer),
        chainId,
      })
      const data = encodePayments([other(signer.address), 7_000_000_000n])
      const request = { type: 4, to: signer.address, data, authorizationList: [authorization] }
      await send(sender, request)
    }
    const acts = ACTS.flatMap(([often, act]) => Array<Act>(often).fill(act))
    for (let left = 2 + random.integer(5); left > 0; left--) await random.pick(acts)(draft)
    if (withBlob) await blob(draft)
    // The last: a node keeps back what an account sends behind a nonce that an authorization takes.
    if (random.integer(20) === 0) await delegate(draft)
    return planned
  }

  const pay: Act = async ({ random, actor, other, send }) => {
    const from = actor()
    const to = other(from.address)
    const type = random.pick([0, 1, 2, 2])
    const accessList =
      type === 1 ? [{ address: to, storageKeys: [toBeHex(random.integer(9), 32)] }] : undefined
    await send(from, { type, to, value: ether(random), ...(accessList && { accessList }) }, 27_000n)
  }

  const payMany: Act = async ({ random, actor, other, send }) => {
    const from = actor()
    const parts = Array.from({ length: 2 + random.integer(3) }, () => ether(random))
    const value = parts.reduce((sum, part) => sum + part)
    const data = encodePayments(...parts.map(part => [other(from.address), part] as const))
    await send(from, { to: forwarder, value, data })
  }

  const payByProxy: Act = async ({ actor, other, send }) => {
    const from = actor()
    await send(from, { to: proxyPlace, data: encodePayments([other(from.address), ETHER / 500n]) })
  }

  const moveCoin: Act = async ({ random, other, emit, holdings }) => {
    const at = random.integer(coins.length)
    const token = coins[at]!
    const holders = holdings.of(token)
    if (holders.length < 3 || (holders.length < MANY_HOLDERS && random.integer(4) === 0)) {
      const amount = COINS[at]!.mint + BigInt(random.integer(100))
      return emit(token, erc20Transfer(NOBODY, other(NOBODY), amount))
    }
    const { owner, amount } = random.pick(holders)
    const part = (amount * BigInt(1 + random.integer(100))) / 100n || 1n
    const to = random.integer(20) === 0 ? NOBODY : other(owner)
    return emit(token, erc20Transfer(owner, to, part))
  }

  const moveArt: Act = async ({ random, other, emit, holdings }) => {
    const held = holdings.of(art)
    if (held.length < 3 || (held.length < MANY_HOLDERS && random.integer(2) === 0)) {
      return emit(art, erc721Transfer(NOBODY, other(NOBODY), freshId(random)))
    }
    const { owner, tokenId } = random.pick(held)
    return emit(art, erc721Transfer(owner, random.integer(10) === 0 ? NOBODY : other(owner), tokenId))
  }

  const moveGoods: Act = async ({ random, actor, other, emit, holdings }) => {
    const operator = actor().address
    const held = holdings.of(goods)
    if (held.length < 6 || (held.length < MANY_HOLDERS && random.integer(3) === 0)) {
      const items = Array.from({ length: 2 + random.integer(3) }, (_, n) => ({
        tokenId: BigInt(1 + n * 10 + random.integer(10)),
        amount: BigInt(1 + random.integer(500)),
      }))
      return emit(goods, erc1155Batch(operator, NOBODY, other(NOBODY), items))
    }
    const { owner } = random.pick(held)
    const items = held
      .filter(one => one.owner === owner)
      .slice(0, 3)
      .map(({ tokenId, amount }) => ({ tokenId, amount: amount / 2n || 1n }))
    const to = other(owner)
    const [first] = items
    if (items.length > 1) return emit(goods, erc1155Batch(operator, owner, to, items))
    return emit(goods, erc1155Single(operator, owner, to, first!.tokenId, first!.amount))
  }

  const create: Act = async ({ random, actor, other, send }) => {
    const from = actor()
    const salt = id(`salt ${random.integer(2 ** 40)}`)
    const heir = other(from.address)
    const child = deploying(mortalCode())
    const childPlace = getCreate2Address(factory, salt, keccak256(child))
    switch (random.integer(4)) {
      case 0:
        return send(from, { data: hexlify(deploying(forwarderCode())) })
      case 1:
        return send(from, { to: factory, value: 6n, data: concat([salt, hexlify(stillbornCode(heir))]) })
      case 2:
        return send(from, { to: factory, value: ETHER / 1000n, data: concat([salt, hexlify(child)]) })
      default:
        await send(from, { to: factory, value: ETHER / 1000n, data: concat([salt, hexlify(child)]) })
        return send(from, { to: childPlace, data: zeroPadValue(heir, 32) })
    }
  }

  const fail: Act = async ({ random, actor, other, send }) => {
    const from = actor()
    switch (random.integer(4)) {
      case 0:
        return send(from, { to: endless, value: 1n }, 60_000n + BigInt(random.integer(40_000)))
      case 1:
        return send(from, { data: hexlify(refusingCode('not born')) })
      case 2:
        return send(from, { to: undoing, value: 5n, data: encodePayments([other(from.address), 5n]) })
      default:
        return send(from, { to: random.pick(refusing), value: ether(random) })
    }
  }

  const blob: Act = async ({ actor, other, send }) => {
    const from = actor()
    await send(from, blobTransaction(other(from.address)))
  }

  /** How often each is done, of their sum. */
  const ACTS: readonly (readonly [often: number, act: Act])[] = [
    [24, pay],
    [8, payMany],
    [4, payByProxy],
    [34, moveCoin],
    [14, moveArt],
    [14, moveGoods],
    [7, create],
    [9, fail],
  ]

  return { opening, block, addresses: actors.map(actor => actor.address) }
}

function stranger(name: string): string {
  return getAddress(`0x${id(`wanlian dev ${name}`).slice(-40)}`)
}

/** From 0.0001 to 0.1 ether, not round. */
function ether(random: Randomness): bigint {
  return (BigInt(1 + random.integer(1000)) * ETHER) / 10_000n + BigInt(random.integer(1_000_000_000))
}

function freshId(random: Randomness): bigint {
  return BigInt(random.integer(2 ** 48))
}
