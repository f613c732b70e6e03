import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import pino, { type Logger } from 'pino'
import { AppError, describeError } from '../schema/errors.ts'
import { type CommandContext, EXIT } from './command.ts'
import { readConfig } from './config.ts'

/** Loaded when it is asked for: most commands need a small part of the program. */
const commands = {
  api: async () => (await import('./commands/roles.ts')).runApi,
  block: async () => (await import('./commands/block.ts')).runBlock,
  balances: async () => (await import('./commands/check-balances.ts')).runCheckBalances,
  check: async () => (await import('./commands/check.ts')).runCheck,
  crawl: async () => (await import('./commands/roles.ts')).runCrawl,
  deliver: async () => (await import('./commands/roles.ts')).runDeliver,
  demo: async () => (await import('./commands/up.ts')).runDemo,
  doctor: async () => (await import('./commands/doctor.ts')).runDoctor,
  index: async () => (await import('./commands/index.ts')).runIndex,
  migrate: async () => (await import('./commands/migrate.ts')).runMigrate,
  move: async () => (await import('./commands/move.ts')).runMove,
  repair: async () => (await import('./commands/repair.ts')).runRepair,
  pause: async () => (await import('./commands/pause.ts')).runPause,
  record: async () => (await import('./commands/record.ts')).runRecord,
  replay: async () => (await import('./commands/replay.ts')).runReplay,
  resume: async () => (await import('./commands/pause.ts')).runResume,
  resplit: async () => (await import('./commands/resplit.ts')).runResplit,
  rewind: async () => (await import('./commands/rewind.ts')).runRewind,
  split: async () => (await import('./commands/roles.ts')).runSplit,
  sql: async () => (await import('./commands/sql.ts')).runSql,
  store: async () => (await import('./commands/store.ts')).runStore,
  up: async () => (await import('./commands/up.ts')).runUp,
  webhook: () => import('./commands/webhook.ts'),
}

interface GlobalOptions {
  config?: string
  data?: string
}

/** Runs one command line; the returned number is the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const logger = pino({ level: process.env.WANLIAN_LOG ?? 'info' }, pino.destination({ dest: 2, sync: true }))
  let exitCode: number = EXIT.done
  const run =
    <Args extends unknown[]>(load: () => Promise<CommandOf<Args>>) =>
    async (globals: GlobalOptions, ...args: Args) => {
      const config = await readConfig({
        file: globals.config,
        dataDirectory: globals.data,
        environment: process.env,
      })
      const command = await load()
      exitCode = await command({ config, logger, stdout: process.stdout, terminal: process.stderr }, ...args)
    }
  try {
    await buildProgram(run).parseAsync([...argv])
    return exitCode
  } catch (error) {
    return report(error, logger)
  }
}

function report(error: unknown, logger: Logger): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.input
  if (error instanceof AppError) {
    logger.error({ code: error.code, details: error.details }, describeError(error))
    return error.retryable ? EXIT.again : EXIT.input
  }
  logger.fatal({ err: error }, 'unexpected error')
  return EXIT.input
}

type CommandOf<Args extends unknown[]> = (context: CommandContext, ...args: Args) => Promise<number>

type Run = <Args extends unknown[]>(
  load: () => Promise<CommandOf<Args>>,
) => (globals: GlobalOptions, ...args: Args) => Promise<void>

function buildProgram(run: Run): Command {
  const program = new Command('wanlian')
    .description('Multi-chain blockchain indexer, explorer and SQL warehouse.')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
  const data = () => new Option('--data <dir>', 'data directory (default ./data, or WANLIAN_DATA)')
  const file = () =>
    new Option('--config <file>', 'configuration file (default wanlian.yaml, or WANLIAN_CONFIG)')
  const node = () =>
    new Option('--node <endpoint>', 'http(s)://…, ws(s)://… or file:DIR; may repeat').argParser(repeated)
  const height = (name: string, text: string) => new Option(`--${name} <height>`, text).argParser(parseHeight)
  const sitePort = () => new Option('--port <port>', 'of site and API (default 8080)').argParser(parsePort)
  const healthPort = () =>
    new Option('--port <port>', 'of /health and /metrics (default none)').argParser(parsePort)
  const clickhousePort = () =>
    new Option('--clickhouse-port <port>', 'of the ClickHouse interface (default 8123)').argParser(parsePort)
  const host = () => new Option('--host <address>', 'address to listen on (default 127.0.0.1)')
  const command = (usage: string, text: string, parent = program) =>
    parent.command(usage).description(text).addOption(data()).addOption(file()).exitOverride()

  const chainNode = () =>
    new Option(
      '--node <chain=endpoint>',
      'http(s)://…, ws(s)://… or file:DIR; may repeat; replaces the configured chains',
    ).argParser(repeated)
  const serving = (usage: string, text: string) =>
    command(usage, text).addOption(sitePort()).addOption(clickhousePort()).addOption(host())
  const following = (usage: string, text: string) => serving(usage, text).addOption(chainNode())

  following('up', 'follow chains, serve site, API and SQL: everything in one process').action(options =>
    run(commands.up)(options, options),
  )

  following('doctor', 'say what is wrong with what up would use, and what to do')
    .option('--json', 'for machines: one line')
    .action(options => run(commands.doctor)(options, options))

  command('crawl [chains...]', 'one role of several processes: follow chains (needs Kafka and ClickHouse)')
    .addOption(chainNode())
    .addOption(healthPort())
    .addOption(host())
    .action((slugs: string[], options) => run(commands.crawl)(options, slugs, options))

  command('split', 'one role of several processes: write what crawlers found into the tables')
    .addOption(healthPort())
    .addOption(host())
    .action(options => run(commands.split)(options, options))

  command('deliver', 'one role of several processes: make and deliver the events of webhooks')
    .addOption(healthPort())
    .addOption(host())
    .action(options => run(commands.deliver)(options, options))

  command(
    'store',
    'one role of several processes: the embedded ClickHouse of --data as a server for the others',
  )
    .addOption(new Option('--port <port>', 'to listen on (default 8123)').argParser(parsePort))
    .addOption(host())
    .action(options =>
      run(commands.store)(options, {
        ...options,
        password: process.env.WANLIAN_CLICKHOUSE_PASSWORD ?? '',
      }),
    )

  serving('api', 'one role of several processes: serve site, API and SQL').action(options =>
    run(commands.api)(options, options),
  )

  serving('demo', 'up on two development chains of this machine that need no network')
    .option('--seed <text>', 'what happens on the chains')
    .addOption(
      new Option('--interval <seconds>', 'between two blocks of a chain (default 4)').argParser(parseSeconds),
    )
    .action(options => {
      const data = options.data ?? (process.env.WANLIAN_DATA || './data/demo')
      return run(commands.demo)({ ...options, data }, options)
    })

  command('index <chain>', 'fetch, verify, split and store blocks, then exit')
    .addOption(node())
    .addOption(height('from', 'first height'))
    .addOption(height('to', 'last height'))
    .addOption(new Option('--heights <list>', 'heights, separated by commas').argParser(parseHeights))
    .option('--recorded', 'every height whose complete block is in the recording')
    .option('--senders', 'prove EVM senders by signature recovery')
    .addOption(
      new Option('--batch <blocks>', 'blocks written in one go (default 250)').argParser(parseHeight),
    )
    .action((chain: string, options) => run(commands.index)(options, chain, options))

  command('sql <query>', 'run a statement on the store')
    .option(
      '--format <format>',
      'any ClickHouse format (default: PrettyCompact on a terminal, else TabSeparated)',
    )
    .action((query: string, options) =>
      run(commands.sql)(options, query, options.format as string | undefined),
    )

  command('block <chain> <block>', 'fetch and verify one block by height or hash, print its rows')
    .addOption(node())
    .option('--senders', 'prove EVM senders by signature recovery')
    .action((chain: string, block: string, options) => run(commands.block)(options, chain, block, options))

  command('check <chain>', 'prove stored blocks again and compare every row')
    .addOption(height('from', 'first height'))
    .addOption(height('to', 'last height'))
    .addOption(node())
    .addOption(new Option('--balances', 'compare balances with what the node says').conflicts(['from', 'to']))
    .addOption(
      new Option('--sample <addresses>', 'how many balances are compared (default 1000)').argParser(
        parseCount,
      ),
    )
    .action((chain: string, options) =>
      run<[string, object]>(options.balances ? commands.balances : commands.check)(options, chain, options),
    )

  command('repair <chain>', 'mend what check finds, from the archive or from nodes, while up is stopped')
    .addOption(node())
    .addOption(height('from', 'first height'))
    .addOption(height('to', 'last height'))
    .option('--senders', 'prove EVM senders by signature recovery')
    .action((chain: string, options) => run(commands.repair)(options, chain, options))

  command(
    'replay <chain>',
    'try events again that were set aside as dead letters, while up is stopped',
  ).action((chain: string, options) => run(commands.replay)(options, chain))

  command('resplit <chain>', 'make rows anew from the archive, as this version does, while up is stopped')
    .addOption(node())
    .addOption(height('from', 'first height'))
    .addOption(height('to', 'last height'))
    .action((chain: string, options) => run(commands.resplit)(options, chain, options))

  command('pause <chain>', 'stop to follow a chain until it is resumed; up goes on with the others').action(
    (chain: string, options) => run(commands.pause)(options, chain),
  )

  command('resume <chain>', 'go on to follow a chain that was paused').action((chain: string, options) =>
    run(commands.resume)(options, chain),
  )

  command('rewind <chain> <height>', 'take a chain back to a stored block, from which up goes on').action(
    (chain: string, to: string, options) => run(commands.rewind)(options, chain, parseHeight(to)),
  )

  command('record <chain>', "write a node's answers as a recording")
    .addOption(node())
    .addOption(height('from', 'first height').makeOptionMandatory())
    .addOption(height('to', 'last height').makeOptionMandatory())
    .requiredOption('--out <dir>', 'directory of the recording')
    .action((chain: string, options) => run(commands.record)(options, chain, options))

  command(
    'move',
    'copy what --data holds into the ClickHouse of the configuration, while up is stopped',
  ).action(options => run(commands.move)(options))

  const webhooks = program
    .command('webhook')
    .description('tell a URL when something happens on a chain: in order, without a gap, at least once')
    .exitOverride()
  const webhook = (usage: string, text: string) => command(usage, text, webhooks)
  const list = (flags: string, text: string) =>
    new Option(flags, `${text}; may repeat, or separated by commas`).argParser(repeated)

  webhook('add', 'make a webhook; prints it with its secret, which is told only here')
    .option('--url <url>', 'where events are sent')
    .option('--stream', 'without a URL: events are only read as a stream')
    .addOption(list('--chain <chain>', 'of which chains'))
    .addOption(list('--event <kind>', 'block.added, block.removed, transfer, address.activity, …'))
    .addOption(height('from', 'first height, of every chain (default: what is new)'))
    .option('--from-time <time>', 'first time')
    .addOption(
      new Option('--from-sequence <number>', 'number of the first event (default 1)').argParser(
        parseSequence,
      ),
    )
    .addOption(list('--address <address>', 'who takes part, or which contract speaks'))
    .option('--addresses <file>', 'the same, a line each')
    .addOption(list('--asset <asset>', 'native, a contract, or contract/id'))
    .addOption(
      new Option('--topic <topics>', 'of logs, once for each position: some of them, or any').argParser(
        repeated,
      ),
    )
    .option('--minimum-amount <amount>', 'least amount that moves, in base units')
    .option('--when <when>', 'tip, final, or a number of confirmations (default tip)')
    .option('--payload <size>', 'reference, summary or full (default summary)')
    .option('--description <text>', 'for people')
    .option('--give-up <what>', 'when retries are used up: stop, or skip the event (default stop)')
    .option('--allow-private', 'the URL may be of this machine or of a private network')
    .action(options => run(async () => (await commands.webhook()).runAdd)(options, options))
  webhook('list', 'all webhooks').action(options =>
    run(async () => (await commands.webhook()).runList)(options),
  )
  webhook('show <id>', 'one webhook').action((id: string, options) =>
    run(async () => (await commands.webhook()).runShow)(options, id),
  )
  webhook('pause <id>', 'send nothing more until it is resumed').action((id: string, options) =>
    run(async () => (await commands.webhook()).runPause)(options, id),
  )
  webhook('resume <id>', 'go on with the event after the last that was taken').action((id: string, options) =>
    run(async () => (await commands.webhook()).runResume)(options, id),
  )
  webhook('test <id>', 'send a test event now').action((id: string, options) =>
    run(async () => (await commands.webhook()).runTest)(options, id),
  )
  webhook('rotate <id>', 'a new secret; prints it')
    .addOption(
      new Option('--keep-hours <hours>', 'for which the one before stays valid (default 24)').argParser(
        parseHours,
      ),
    )
    .action((id: string, options) =>
      run(async () => (await commands.webhook()).runRotate)(options, id, options),
    )
  webhook('replay <id>', 'send events again that were made before')
    .addOption(new Option('--from <sequence>', 'first event').argParser(parseSequence))
    .addOption(height('from-height', 'or the first of a block and those above'))
    .option('--chain <chain>', 'whose height it is, where the webhook has several')
    .option('--from-time <time>', 'or the first of a time')
    .addOption(new Option('--to <sequence>', 'last event (default: the newest)').argParser(parseSequence))
    .addOption(
      new Option('--per-second <events>', 'at most (default: as fast as they are taken)').argParser(
        parseRate,
      ),
    )
    .action((id: string, options) =>
      run(async () => (await commands.webhook()).runReplay)(options, id, options),
    )
  webhook('deliveries <id>', 'attempts, newest first, with request and response')
    .addOption(new Option('--limit <number>', 'how many (default 20)').argParser(parseCount))
    .option('--failed', 'only those that failed')
    .action((id: string, options) =>
      run(async () => (await commands.webhook()).runDeliveries)(options, id, options),
    )
  webhook('skipped <id>', 'events that were set aside').action((id: string, options) =>
    run(async () => (await commands.webhook()).runSkipped)(options, id),
  )
  webhook('remove <id>', 'remove it with its events').action((id: string, options) =>
    run(async () => (await commands.webhook()).runRemove)(options, id),
  )

  command('migrate', 'bring the store to this version of the schema').action(options =>
    run(commands.migrate)(options),
  )
  return program
}

function repeated(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value]
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError('expected a port, 0 for any free one')
  return port
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new InvalidArgumentError('expected seconds, 0.1 to 3600')
  return seconds
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!/^\d{1,7}$/.test(text) || count === 0) throw new InvalidArgumentError('expected a number above 0')
  return count
}

function parseSequence(text: string): number {
  const sequence = Number(text)
  if (!/^[1-9]\d*$/.test(text) || !Number.isSafeInteger(sequence))
    throw new InvalidArgumentError('expected the number of an event, from 1 on')
  return sequence
}

function parseHours(text: string): number {
  const hours = Number(text)
  if (!/^\d{1,3}$/.test(text) || hours > 720) throw new InvalidArgumentError('expected hours, 0 to 720')
  return hours
}

function parseRate(text: string): number {
  const rate = Number(text)
  if (!(rate > 0 && rate <= 100_000)) throw new InvalidArgumentError('expected events a second, above 0')
  return rate
}

function parseHeight(text: string): number {
  const height = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(height))
    throw new InvalidArgumentError('expected a block height')
  return height
}

function parseHeights(text: string): number[] {
  const heights = text.split(',').map(part => parseHeight(part.trim()))
  return [...new Set(heights)].sort((a, b) => a - b)
}
