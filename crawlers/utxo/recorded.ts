import { NotAvailableError } from '../../schema/errors.ts'
import type { Recording } from '../recording.ts'
import { parseNodeJson, readHashText, readNodeBlock, readPreviousTransaction } from './node-json.ts'

/** What a recording lists, read once for all heights. */
interface Listing {
  recording: Recording
  rawBlocks: ReadonlySet<string>
  blocks: ReadonlySet<string>
  transactions: ReadonlySet<string>
}

async function listRecording(recording: Recording): Promise<Listing> {
  const [rawBlocks, blocks, transactions] = await Promise.all(
    ['getrawblock', 'getblock', 'getrawtransaction'].map(method => recording.list(method)),
  )
  return {
    recording,
    rawBlocks: new Set(rawBlocks),
    blocks: new Set(blocks),
    transactions: new Set(transactions),
  }
}

async function hasBytes({ recording, transactions }: Listing, txid: string): Promise<boolean> {
  if (!transactions.has(`${txid}_1`) && !transactions.has(`${txid}_true`)) return false
  const answer = await recording.call('getrawtransaction', [txid, 1], parseNodeJson)
  return readPreviousTransaction(answer, txid).hex !== undefined
}

/** Whether every transaction of a recorded description is there, or recorded on its own. */
async function isWhole(listing: Listing, hash: string, verbosity: number): Promise<boolean> {
  const { tx } = readNodeBlock(
    await listing.recording.call('getblock', [hash, verbosity], parseNodeJson),
    hash,
  )
  const named = tx.filter(entry => typeof entry === 'string')
  const there = await Promise.all(named.map(txid => hasBytes(listing, txid)))
  return tx.length > 0 && there.every(Boolean)
}

async function isComplete(listing: Listing, hash: string): Promise<boolean> {
  if (listing.rawBlocks.has(hash)) return true
  for (const verbosity of [3, 2, 1]) {
    const isRecorded =
      listing.blocks.has(`${hash}_${verbosity}`) || (verbosity === 1 && listing.blocks.has(`${hash}_true`))
    if (isRecorded && (await isWhole(listing, hash, verbosity))) return true
  }
  return false
}

async function recordedHash(recording: Recording, height: number): Promise<string> {
  return readHashText(await recording.call('getblockhash', [height]), `getblockhash ${height}`)
}

async function heightsOf(recording: Recording): Promise<number[]> {
  return (await recording.list('getblockhash')).filter(name => /^\d{1,9}$/.test(name)).map(Number)
}

/** Heights whose whole block can be had from the recordings, ascending. */
export async function recordedHeights(recordings: readonly Recording[]): Promise<number[]> {
  const complete = new Set<number>()
  for (const recording of recordings) {
    const listing = await listRecording(recording)
    for (const height of await heightsOf(recording)) {
      if (await isComplete(listing, await recordedHash(recording, height))) complete.add(height)
    }
  }
  return [...complete].sort((a, b) => a - b)
}

/** The height under which a block hash is recorded. @throws NotAvailableError */
export async function recordedHeightOf(recordings: readonly Recording[], hash: string): Promise<number> {
  for (const recording of recordings) {
    for (const height of await heightsOf(recording)) {
      if ((await recordedHash(recording, height)) === hash) return height
    }
  }
  throw new NotAvailableError(`no recording has block ${hash}`)
}
