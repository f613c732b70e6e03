import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readAllocations } from '../../crawlers/evm/genesis.ts'

/**
 * write-allocations.ts FILE: the accounts of a genesis file (`alloc`) as lines of `address amount`, in the order of the
 * addresses, zeros at an amount's end counted. Lists beside the chains' definitions are written with it.
 */
const accounts = readAllocations(pathToFileURL(resolve(process.argv[2] ?? '')))
const lines = accounts.map(({ address, balance }) => {
  const [, digits, zeros] = /^(\d+?)(0*)$/.exec(String(balance))!
  return `${address.toString('hex')} ${zeros!.length > 1 ? `${digits}e${zeros!.length}` : `${digits}${zeros}`}`
})
process.stdout.write(`${lines.sort().join('\n')}\n`)
