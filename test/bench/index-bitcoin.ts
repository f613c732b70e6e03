import pino from 'pino'
import { defaultSchedule } from '../../api/webhooks/retry.ts'
import { bitcoin } from '../../crawlers/chains/bitcoin.ts'
import { defineUtxoChain } from '../../crawlers/utxo/family.ts'
import { runIndex } from '../../deploy/commands/index.ts'

/**
 * The command `index` for Bitcoin blocks as tiling leaves them: without proof of work, which no repeated block has, and
 * nobody is asked for outputs that earlier blocks made, because there are none. All other proofs are on.
 *
 * index-bitcoin.ts <url> <data directory> <from> <to>
 */
const [url, dataDirectory, from, to] = process.argv.slice(2) as [string, string, string, string]

const {
  family: _family,
  ledger: _ledger,
  hashForm: _form,
  partialEffects: _effects,
  ...facts
} = bitcoin.definition

const tiled = defineUtxoChain({
  ...facts,
  network: 'main',
  addresses: { keyHash: 0x00, scriptHash: [0x05], bech32: 'bc' },
  proofOfWork: 'none',
  powLimit: 1n << 255n,
  auxPow: null,
  mweb: false,
  bip34Height: 227_931,
  segwitHeight: 481_824,
})

const chain: typeof tiled = {
  ...tiled,
  open(...given) {
    const { attachPrevious: _nobodyHasThem, ...source } = tiled.open(...given)
    return source
  },
}

const settings = {
  chain,
  endpoints: [{ url }],
  recoverSenders: false,
  traces: false,
  historyFrom: null,
  pollMs: 1_000,
  confirmWith: 1,
}
process.exitCode = await runIndex(
  {
    config: {
      file: null,
      dataDirectory,
      host: '127.0.0.1',
      port: 0,
      clickhousePort: 0,
      kafka: null,
      clickhouse: null,
      webhooks: { allow: [], key: null, schedule: defaultSchedule, keepDays: 30 },
      adminToken: null,
      chains: new Map([[facts.slug, settings]]),
    },
    logger: pino({ level: 'error' }, pino.destination(2)),
    stdout: process.stdout,
    terminal: process.stderr,
  },
  facts.slug,
  { from: Number(from), to: Number(to) },
)
