import type { Logger } from 'pino'
import { ConfigError } from '../../schema/errors.ts'
import type { CommandContext } from '../command.ts'
import { EXIT } from '../command.ts'
import type { ChainSettings, Config } from '../config.ts'
import { type Finding, failure, type Level, within } from '../doctor/finding.ts'
import { lookAtFollowing } from '../doctor/following.ts'
import { lookAtMachine } from '../doctor/machine.ts'
import { lookAtNodes } from '../doctor/nodes.ts'
import { lookAtStore, type StoreLook } from '../doctor/store.ts'
import { chosenChains, type UpOptions, withOptions } from './up.ts'

export interface DoctorOptions extends UpOptions {
  /** One line for machines. */
  json?: boolean
}

/** The whole answer, as `--json` prints it. */
export interface DoctorReport {
  findings: Finding[]
  /** How many somebody has to do something about, and how many may pass. */
  fix: number
  wait: number
}

const STORE_LIMIT_MS = 60_000

/** Says what is wrong and what to do. Exit code 1 when something has to be fixed, 75 when it may pass. */
export async function runDoctor(context: CommandContext, options: DoctorOptions): Promise<number> {
  const report = reportOf(await lookAtAll(context.config, context.logger, options))
  const terminal = context.stdout.isTTY === true
  context.stdout.write(options.json ? `${JSON.stringify(report)}\n` : print(report, terminal))
  if (report.fix > 0) return EXIT.input
  return report.wait > 0 ? EXIT.again : EXIT.done
}

async function lookAtAll(configured: Config, logger: Logger, options: DoctorOptions): Promise<Finding[]> {
  const config = withOptions(configured, options)
  const chosen = choose(config, options.node)
  let store: StoreLook = { findings: [], chains: [] }
  const lookedAtStore = lookAtStore(config, logger).then(look => {
    store = look
    return look.findings
  })
  const [machine, following, stored, ...nodes] = await Promise.all([
    lookAtMachine(config).catch(error => [failure('machine', error)]),
    within(STORE_LIMIT_MS, 'up', 'what follows the chains', lookAtFollowing(config, logger)),
    within(STORE_LIMIT_MS, 'store', 'the store', lookedAtStore),
    ...chosen.chains.map(async settings => {
      const { slug } = settings.chain.definition
      const { findings, head } = await lookAtNodes(settings)
      return { slug, findings, head }
    }),
  ])
  const behind = nodes.flatMap(({ slug, head }): Finding[] => {
    const tip = store.chains.find(chain => chain.slug === slug)?.tip ?? null
    if (tip === null || head === null) return []
    if (tip > head)
      return [{ area: slug, level: 'note', text: `the nodes are ${tip - head} blocks behind the store` }]
    return [{ area: slug, level: 'ok', text: `the store is ${head - tip} blocks behind the nodes` }]
  })
  const ofNodes = nodes.flatMap(look => look.findings)
  return [...chosen.findings, ...machine, ...stored, ...ofNodes, ...behind, ...following]
}

function choose(
  config: Config,
  nodes: readonly string[] | undefined,
): { chains: ChainSettings[]; findings: Finding[] } {
  try {
    const chains = chosenChains(config, nodes)
    const named = chains.map(({ chain }) => chain.definition.slug).join(', ')
    const findings: Finding[] = [{ area: 'configuration', level: 'ok', text: `to be followed: ${named}` }]
    return { chains, findings }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { chains: [], findings: [failure('configuration', error)] }
  }
}

function reportOf(findings: Finding[]): DoctorReport {
  const count = (level: Level) => findings.filter(finding => finding.level === level).length
  return { findings, fix: count('fix'), wait: count('wait') }
}

const COLOURS: Record<Level, number> = { ok: 32, note: 36, wait: 33, fix: 31 }

/** By area, in the order in which they were looked at. */
function print({ findings, fix, wait }: DoctorReport, colours: boolean): string {
  const paint = (level: Level) => {
    const word = level.padEnd(4)
    return colours ? `\x1b[${COLOURS[level]}m${word}\x1b[0m` : word
  }
  const areas = [...new Set(findings.map(finding => finding.area))]
  const lines = areas.flatMap(area => [
    area,
    ...findings
      .filter(finding => finding.area === area)
      .flatMap(({ level, text, hint }) => [
        `  ${paint(level)}  ${text}`,
        ...(hint === undefined ? [] : [`        → ${hint}`]),
      ]),
    '',
  ])
  const summary =
    fix > 0
      ? `${fix} to fix${wait > 0 ? `, ${wait} to wait for` : ''}`
      : wait > 0
        ? `${wait} to wait for`
        : 'all is well'
  return `${[...lines, summary].join('\n')}\n`
}
