import {
  type Authorization,
  getAddress,
  getCreateAddress,
  HDNodeWallet,
  hexlify,
  id,
  Mnemonic,
  type TransactionRequest,
  Wallet,
} from 'ethers'
import type { Rpc } from '../../crawlers/rpc.ts'
import { encodeLogs, type LogRequest } from './contracts.ts'
import { NOBODY, type TokenEvent, type TokenStandard } from './evm-tokens.ts'
import { createLedger } from './ledger.ts'

/** An account of the node whose key everybody knows. */
export interface Actor {
  name: string
  address: string
  wallet: Wallet
}

export interface Outcome {
  /** Gas that the transaction uses, where the rules fix it; otherwise its sender's balance counts as unknown. */
  gas?: bigint
  fails?: boolean
}

export interface TokenHolding {
  token: string
  tokenId: string | null
  address: string
  amount: string
}

/** What must be true of the chain, known from the transactions that were made and not from a node. */
export interface EvmFacts {
  chainId: number
  /** Genesis included. */
  blocks: number
  transactions: number
  failedTransactions: string[]
  logs: number
  /** One for each id of a batch. */
  tokenTransfers: Record<TokenStandard, number>
  tokens: { name: string; address: string; standard: TokenStandard }[]
  tokenBalances: TokenHolding[]
  /** In wei; only accounts of which all changes are known. */
  ether: { name: string; address: string; amount: string }[]
  /** Accounts that paid for gas that the rules do not fix. */
  etherUnknown: string[]
  genesisAllocation: { address: string; amount: string }[]
}

/** Where a scenario plays: it signs, sends and mines, and keeps the books of what should come of it. */
export interface Stage {
  actor(name: string): Actor
  /** A named address that nobody has the key of. */
  stranger(name: string): string
  /** Sends a transaction into the next block and books its value. @returns its hash */
  send(from: Actor, request: TransactionRequest, outcome?: Outcome): Promise<string>
  /** @returns the address of the new contract, called `name` in the facts */
  deploy(from: Actor, name: string, initCode: Uint8Array, value?: bigint): Promise<string>
  /** Books ether that a contract moves. */
  move(from: string, to: string, amount: bigint): void
  name(address: string, name: string): void
  token(address: string, name: string, standard: TokenStandard): void
  /** Makes a token contract emit events, and others that are no transfers, in one transaction. */
  emit(
    from: Actor,
    token: string,
    events: readonly TokenEvent[],
    others?: readonly LogRequest[],
  ): Promise<string>
  /** Signs a delegation of the actor's account to a contract's code (EIP-7702). */
  authorize(actor: Actor, contract: string): Authorization
  mine(): Promise<void>
  facts(): EvmFacts
}

export const ETHER = 10n ** 18n
/** Above any base fee here, and paid exactly: the tip takes what the base fee leaves. */
export const GAS_PRICE = 2_000_000_000n

const MNEMONIC = 'test test test test test test test test test test test junk'
const ACTORS = ['deployer', 'payer', 'alice', 'bob', 'carol', 'dora', 'emil', 'fay', 'gus', 'hana']
const ALLOCATION = 10_000n * ETHER
const BLOCK_SECONDS = 12

export async function createStage(rpc: Rpc): Promise<Stage> {
  const chainId = Number(await rpc.call('eth_chainId', []))
  const latest = (await rpc.call('eth_getBlockByNumber', ['latest', false])) as { timestamp: string }
  const actors = new Map(deriveActors().map(actor => [actor.name, actor]))
  const names = new Map([...actors.values()].map(actor => [actor.address, actor.name]))
  const nonces = new Map<string, number>()
  const ether = createLedger()
  const holdings = createLedger()
  const unknown = new Set<string>()
  const failed: string[] = []
  const tokens: EvmFacts['tokens'] = []
  const transfers = { erc20: 0, erc721: 0, erc1155: 0 }
  let time = Number(latest.timestamp)
  let blocks = 1
  let transactions = 0
  let logs = 0
  for (const { address } of actors.values()) ether.add(address, ALLOCATION)

  const nonceOf = (actor: Actor) => nonces.get(actor.address) ?? 0
  const advance = (actor: Actor) => nonces.set(actor.address, nonceOf(actor) + 1)

  function move(from: string, to: string, amount: bigint): void {
    ether.add(getAddress(from), -amount)
    ether.add(getAddress(to), amount)
  }

  async function send(from: Actor, request: TransactionRequest, outcome: Outcome = {}): Promise<string> {
    const legacy = request.type === 0 || request.type === 1
    const signed = await from.wallet.signTransaction({
      chainId,
      nonce: nonceOf(from),
      gasLimit: outcome.gas ?? 1_000_000n,
      type: 2,
      ...(legacy ? { gasPrice: GAS_PRICE } : { maxFeePerGas: GAS_PRICE, maxPriorityFeePerGas: GAS_PRICE }),
      ...request,
    })
    const to = request.to ?? getCreateAddress({ from: from.address, nonce: nonceOf(from) })
    advance(from)
    const hash = String(await rpc.call('eth_sendRawTransaction', [signed]))
    transactions++
    if (outcome.fails) failed.push(hash)
    else move(from.address, String(to), BigInt(request.value ?? 0n))
    if (outcome.gas === undefined) unknown.add(from.address)
    else ether.add(from.address, -outcome.gas * GAS_PRICE)
    return hash
  }

  async function emit(
    from: Actor,
    token: string,
    events: readonly TokenEvent[],
    others: readonly LogRequest[] = [],
  ): Promise<string> {
    const requests = [...events.map(event => event.log), ...others]
    const hash = await send(from, { to: token, data: encodeLogs(requests) })
    logs += requests.length
    for (const { standard, moves } of events) {
      transfers[standard] += moves.length
      for (const { from: giver, to: taker, tokenId, amount } of moves) {
        holdings.add(holdingKey(token, tokenId, giver), -amount)
        holdings.add(holdingKey(token, tokenId, taker), amount)
      }
    }
    return hash
  }

  return {
    actor: name => actors.get(name)!,
    stranger(name) {
      const address = getAddress(`0x${id(`wanlian dev ${name}`).slice(-40)}`)
      names.set(address, name)
      return address
    },
    send,
    async deploy(from, name, initCode, value = 0n) {
      const address = getCreateAddress({ from: from.address, nonce: nonceOf(from) })
      names.set(address, name)
      await send(from, { data: hexlify(initCode), value })
      return address
    },
    move,
    name: (address, name) => void names.set(getAddress(address), name),
    token: (address, name, standard) => void tokens.push({ name, address, standard }),
    emit,
    authorize(actor, contract) {
      const authorization = actor.wallet.authorizeSync({ address: contract, nonce: nonceOf(actor), chainId })
      advance(actor)
      return authorization
    },
    async mine() {
      time += BLOCK_SECONDS
      await rpc.call('evm_mine', [`0x${time.toString(16)}`])
      blocks++
    },
    facts: () => ({
      chainId,
      blocks,
      transactions,
      failedTransactions: failed,
      logs,
      tokenTransfers: transfers,
      tokens,
      tokenBalances: holdings.entries().flatMap(readHolding),
      ether: ether
        .entries()
        .filter(([address]) => !unknown.has(address))
        .map(([address, amount]) => ({ name: names.get(address) ?? '', address, amount: String(amount) })),
      etherUnknown: [...unknown],
      genesisAllocation: [...actors.values()].map(({ address }) => ({ address, amount: String(ALLOCATION) })),
    }),
  }
}

/** The accounts that every development node funds. */
export function deriveActors(): Actor[] {
  const root = HDNodeWallet.fromMnemonic(Mnemonic.fromPhrase(MNEMONIC), "m/44'/60'/0'/0")
  return ACTORS.map((name, index) => {
    const wallet = new Wallet(root.deriveChild(index).privateKey)
    return { name, address: wallet.address, wallet }
  })
}

function holdingKey(token: string, tokenId: bigint | null, address: string): string {
  return `${token}/${tokenId ?? ''}/${address}`
}

/** The synthetic counterpart of mints and burns holds nothing. */
function readHolding([key, amount]: [key: string, amount: bigint]): TokenHolding[] {
  const [token, tokenId, address] = key.split('/') as [string, string, string]
  if (address === NOBODY) return []
  return [{ token, tokenId: tokenId === '' ? null : tokenId, address, amount: String(amount) }]
}
