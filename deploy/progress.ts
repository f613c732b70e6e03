import type { Logger } from 'pino'

/** Tells how far a run is: on a terminal one line that is written over, else a log line now and then. */
export interface Progress {
  advance(blocks: number, transactions: number): void
  done(): void
}

const TERMINAL_MS = 200
const LOG_MS = 5_000

export function createProgress(options: {
  total: number
  logger: Logger
  terminal: NodeJS.WriteStream
  now?: () => number
}): Progress {
  const { total, logger, terminal } = options
  const now = options.now ?? Date.now
  const startedAt = now()
  let [blocks, transactions, toldAt] = [0, 0, startedAt]

  function rates() {
    const seconds = Math.max(0.001, (now() - startedAt) / 1000)
    const blocksPerSecond = blocks / seconds
    return {
      blocks,
      total,
      blocksPerSecond: round(blocksPerSecond),
      transactionsPerSecond: round(transactions / seconds),
      etaSeconds: blocks === 0 ? null : Math.ceil((total - blocks) / blocksPerSecond),
    }
  }

  function tell(): void {
    const told = rates()
    if (!terminal.isTTY) {
      logger.info(told, 'indexing')
      return
    }
    const eta = told.etaSeconds === null ? '–' : `${told.etaSeconds} s`
    const share = total === 0 ? 100 : Math.floor((blocks / total) * 100)
    terminal.write(
      `\r\x1b[K${blocks}/${total} blocks (${share} %)  ${told.blocksPerSecond} blocks/s  ` +
        `${told.transactionsPerSecond} tx/s  ETA ${eta}`,
    )
  }

  return {
    advance(moreBlocks, moreTransactions) {
      blocks += moreBlocks
      transactions += moreTransactions
      if (now() - toldAt < (terminal.isTTY ? TERMINAL_MS : LOG_MS)) return
      toldAt = now()
      tell()
    },
    done() {
      if (!terminal.isTTY) return
      tell()
      terminal.write('\n')
    },
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
