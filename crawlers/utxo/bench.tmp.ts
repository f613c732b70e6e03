import { bitcoin } from '../chains/bitcoin.ts'
import { openRpc } from '../rpc.ts'
import { readBlock } from './block.ts'
import { doubleSha256, merkleRoot } from './hashing.ts'
import { checkSpent, transactionPlaces } from './spent.ts'
import { transactionHash, witnessHash } from './transaction.ts'

const rpc = await openRpc([{ url: 'file:/work/shared/recordings/bitcoin' }])
const raw = await bitcoin.open(rpc).blockAt(Number(process.argv[2] ?? 702861))
const format = { segwit: true, mweb: false, auxPow: false }
function time(name: string, f: () => unknown) {
  for (let i = 0; i < 5; i++) f()
  const all: number[] = []
  for (let i = 0; i < 15; i++) {
    const a = process.cpuUsage()
    f()
    const b = process.cpuUsage(a)
    all.push((b.user + b.system) / 1000)
  }
  all.sort((a, b) => a - b)
  console.log(name, all[7]!.toFixed(2), 'min', all[0]!.toFixed(2))
}
const block = readBlock(raw.bytes, format)
const hashes = block.transactions.map(transactionHash)
time('parse', () => readBlock(raw.bytes, format))
time('txids', () => block.transactions.map(transactionHash))
time('wtxids', () => block.transactions.map((t, i) => witnessHash(t, hashes[i]!)))
time('merkle', () => merkleRoot(hashes))
time('places', () => transactionPlaces(hashes))
time('checkSpent', () => checkSpent(raw, block, transactionPlaces(hashes), format))
const b64 = Buffer.alloc(64)
time('10000 dsha 64', () => {
  for (let i = 0; i < 10000; i++) doubleSha256(b64)
})
const v = bitcoin.verify(raw)
time('verify', () => bitcoin.verify(raw))
time('split', () => bitcoin.split(raw, v))
