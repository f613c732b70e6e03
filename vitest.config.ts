import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest first, so that none of them runs alone at the end. */
const LONG = [
  'simulation.test.ts',
  'kill-up.test.ts',
  'repair.test.ts',
  'kill.test.ts',
  'storm-nodes.test.ts',
  'storm.test.ts',
  'log-kafka.test.ts',
  'roles.test.ts',
  'roles-chains.test.ts',
  'webhook-deliver.test.ts',
  'log-kafka-nodes.test.ts',
  'exactly-once.test.ts',
  'recorded-chains.test.ts',
  'nodes.test.ts',
  'sql-gateway.test.ts',
  'browser.test.ts',
  'web.test.ts',
]

/** Minutes and much memory: `npm run large`. */
const ON_DEMAND = ['test/large-blocks.test.ts']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex(name => moduleId.endsWith(`/test/${name}`))
      return place < 0 ? LONG.length : place
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

/** `unit`: pure code, beside its source. `store`: real ClickHouse, processes and nodes, in `test/`. */
export default defineConfig({
  // Vite would take the ESM build of graphql and libraries the other: two copies do not know each other's objects.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    pool: 'forks',
    // Store tests wait as much as they work.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/plain-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          testTimeout: 120_000,
          include: ['{schema,crawlers,splitter,api,web,deploy}/**/*.test.ts', 'test/architecture.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'store',
          include: ['test/**/*.test.ts'],
          exclude: ['test/architecture.test.ts', ...(process.env.WANLIAN_LARGE ? [] : ON_DEMAND)],
          testTimeout: 400_000,
          hookTimeout: 400_000,
        },
      },
    ],
  },
})
