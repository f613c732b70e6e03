import { concat, getCreate2Address, hexlify, id, keccak256, toBeHex, zeroPadValue } from 'ethers'
import { deploying } from './assembler.ts'
import {
  endlessCode,
  factoryCode,
  forwarderCode,
  mortalCode,
  proxyCode,
  refusingCode,
  stillbornCode,
  tokenCode,
} from './contracts.ts'
import { ETHER, GAS_PRICE, type Stage } from './evm-stage.ts'
import {
  erc20Transfer,
  erc721Transfer,
  erc1155Batch,
  erc1155Single,
  MAX_UINT256,
  NOBODY,
} from './evm-tokens.ts'

const TRANSFER_GAS = 21_000n

/** Plain payments of every transaction type; their senders' balances stay known to the last wei. */
export async function payEther(stage: Stage): Promise<void> {
  const [payer, dora, emil] = [stage.actor('payer'), stage.actor('dora'), stage.actor('emil')]
  const saver = stage.stranger('saver')
  const plain = { gas: TRANSFER_GAS }
  await stage.send(payer, { type: 0, to: saver, value: 3n * ETHER }, plain)
  await stage.mine()
  const accessList = [{ address: saver, storageKeys: [toBeHex(1, 32), toBeHex(2, 32)] }]
  await stage.send(payer, { type: 1, to: saver, value: 1n, accessList }, { gas: 27_200n })
  await stage.send(payer, { type: 2, to: dora.address, value: 123_456_789_012_345_678n }, plain)
  await stage.mine()
  await stage.send(dora, { to: dora.address, value: 5n * ETHER }, plain)
  await stage.send(emil, { to: stage.stranger('nothing'), value: 0n }, plain)
  await stage.mine()
  await stage.send(emil, blobTransaction(saver))
  await stage.mine()
  await stage.mine()
}

/**
 * A transaction with an empty blob. The commitment and the proof of the zero polynomial are the point at infinity,
 * so that no library for KZG and no trusted setup is needed.
 */
export function blobTransaction(to: string) {
  const infinity = `0xc0${'00'.repeat(47)}`
  return {
    type: 3,
    to,
    value: 7n,
    maxFeePerBlobGas: GAS_PRICE,
    blobs: [{ data: new Uint8Array(131_072), commitment: infinity, proof: infinity }],
  }
}

/** Ether that contracts move: forwarded, refused, undone, on another account's behalf. */
export async function moveEther(stage: Stage): Promise<void> {
  const [deployer, alice, bob, carol] = ['deployer', 'alice', 'bob', 'carol'].map(name => stage.actor(name))
  const forwarder = await stage.deploy(deployer!, 'forwarder', deploying(forwarderCode()))
  const undoing = await stage.deploy(deployer!, 'undoing', deploying(forwarderCode({ thenRevert: true })))
  const refusing = await stage.deploy(deployer!, 'refusing', deploying(refusingCode('not today')))
  const proxy = await stage.deploy(deployer!, 'proxy', deploying(proxyCode(forwarder)), 2n * ETHER)
  await stage.mine()

  const [first, second, third] = ['first', 'second', 'third'].map(name => stage.stranger(name))
  await stage.send(alice!, {
    to: forwarder,
    value: 4n * ETHER,
    data: encodePayments([first!, ETHER], [second!, 2n * ETHER]),
  })
  stage.move(forwarder, first!, ETHER)
  stage.move(forwarder, second!, 2n * ETHER)
  await stage.send(alice!, {
    to: forwarder,
    data: encodePayments([refusing, 1n], [undoing, 2n], [third!, 5n]),
  })
  stage.move(forwarder, third!, 5n)
  await stage.mine()

  await stage.send(
    alice!,
    { to: undoing, value: ETHER, data: encodePayments([first!, ETHER]) },
    { fails: true },
  )
  await stage.send(alice!, { to: proxy, value: 9n, data: encodePayments([third!, ETHER]) })
  stage.move(proxy, third!, ETHER)
  await stage.mine()

  const authorizationList = [stage.authorize(bob!, forwarder)]
  const data = encodePayments([first!, 11n], [third!, 12n])
  await stage.send(carol!, { type: 4, to: bob!.address, value: 100n, data, authorizationList })
  stage.move(bob!.address, first!, 11n)
  stage.move(bob!.address, third!, 12n)
  await stage.mine()
}

/** Call data of a forwarder: to whom it passes how much on. */
export function encodePayments(...payments: (readonly [to: string, amount: bigint])[]): string {
  return concat(payments.flatMap(([to, amount]) => [zeroPadValue(to, 32), toBeHex(amount, 32)]))
}

/** Contracts that come and go: CREATE2, twice at the same place, SELFDESTRUCT, and one that never exists. */
export async function createContracts(stage: Stage): Promise<void> {
  const [deployer, carol] = [stage.actor('deployer'), stage.actor('carol')]
  const heir = stage.stranger('heir')
  const factory = await stage.deploy(deployer, 'factory', deploying(factoryCode()))
  const mortal = await stage.deploy(deployer, 'mortal', deploying(mortalCode()), 3n * ETHER)
  await stage.mine()

  const child = deploying(forwarderCode())
  const salt = id('child')
  const childAddress = getCreate2Address(factory, salt, keccak256(child))
  stage.name(childAddress, 'child')
  const createChild = { to: factory, data: concat([salt, hexlify(child)]) }
  await stage.send(carol, { ...createChild, value: ETHER })
  stage.move(factory, childAddress, ETHER)
  await stage.mine()

  await stage.send(carol, { ...createChild, value: 4n })
  await stage.send(carol, { to: mortal, data: zeroPadValue(heir, 32) })
  stage.move(mortal, heir, 3n * ETHER)
  await stage.mine()

  await stage.send(carol, { to: factory, value: 6n, data: concat([salt, hexlify(stillbornCode(heir))]) })
  stage.move(factory, heir, 6n)
  await stage.mine()
}

/** Transactions that fail: they cost gas and move nothing. */
export async function fail(stage: Stage): Promise<void> {
  const [deployer, fay] = [stage.actor('deployer'), stage.actor('fay')]
  const refusing = await stage.deploy(deployer, 'refusing2', deploying(refusingCode('insufficient patience')))
  const endless = await stage.deploy(deployer, 'endless', deploying(endlessCode()))
  await stage.mine()
  const fails = true
  await stage.send(fay, { to: endless, value: ETHER }, { fails, gas: 100_000n })
  await stage.send(deployer, { to: refusing, value: 2n * ETHER }, { fails })
  await stage.send(deployer, { data: hexlify(refusingCode('not born')), value: 1n }, { fails })
  await stage.mine()
}

/** Tokens of three standards: minted, sent, burnt; a mint of all there can be; events that only look like it. */
export async function moveTokens(stage: Stage): Promise<void> {
  const deployer = stage.actor('deployer')
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map(name => stage.actor(name).address) as [
    string,
    string,
    string,
  ]
  const create = async (
    name: string,
    symbol: string,
    decimals: number,
    standard: 'erc20' | 'erc721' | 'erc1155',
  ) => {
    const address = await stage.deploy(deployer, name, deploying(tokenCode({ name, symbol, decimals })))
    stage.token(address, name, standard)
    return address
  }
  const gold = await create('Wanlian Gold', 'WGLD', 18, 'erc20')
  const all = await create('Everything', 'ALL', 0, 'erc20')
  const art = await create('万链 Art', 'WART', 0, 'erc721')
  const goods = await create('Wanlian Goods', 'WGDS', 0, 'erc1155')
  await stage.mine()

  await stage.emit(deployer, gold, [erc20Transfer(NOBODY, alice, 1_000_000n * ETHER)])
  await stage.emit(deployer, all, [erc20Transfer(NOBODY, alice, MAX_UINT256)])
  await stage.mine()
  await stage.emit(deployer, gold, [
    erc20Transfer(alice, bob, 250n * ETHER + 1n),
    erc20Transfer(bob, carol, 50n * ETHER),
    erc20Transfer(carol, carol, 7n),
    erc20Transfer(carol, NOBODY, 20n * ETHER),
    erc20Transfer(alice, bob, 0n),
  ])
  await stage.emit(deployer, all, [erc20Transfer(alice, bob, MAX_UINT256 - 1n)])
  await stage.mine()

  await stage.emit(deployer, art, [
    erc721Transfer(NOBODY, alice, 1n),
    erc721Transfer(NOBODY, alice, 2n),
    erc721Transfer(NOBODY, bob, MAX_UINT256),
  ])
  await stage.emit(deployer, art, [erc721Transfer(alice, carol, 1n), erc721Transfer(alice, NOBODY, 2n)])
  await stage.mine()

  const operator = deployer.address
  await stage.emit(deployer, goods, [
    erc1155Single(operator, NOBODY, alice, 10n, 1_000n),
    erc1155Batch(operator, NOBODY, bob, [
      { tokenId: 10n, amount: 5n },
      { tokenId: 11n, amount: 6n },
      { tokenId: 12n, amount: 1n },
    ]),
  ])
  await stage.emit(deployer, goods, [
    erc1155Batch(operator, bob, carol, [
      { tokenId: 11n, amount: 2n },
      { tokenId: 12n, amount: 1n },
    ]),
    erc1155Single(operator, alice, NOBODY, 10n, 1n),
  ])
  await stage.mine()

  const noise = [
    { topics: [], data: '0x77616e6c69616e' },
    { topics: [id('Noted(uint256)')], data: toBeHex(42, 32) },
    // the name of a transfer without its fields: no token moves
    { topics: [id('Transfer(address,address,uint256)'), toBeHex(1, 32)], data: '0x' },
  ]
  await stage.emit(deployer, gold, [], noise)
  await stage.mine()
}
