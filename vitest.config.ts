import { defineConfig } from 'vitest/config'

/** `unit`: pure code, beside its source. `store`: real ClickHouse, processes and nodes, in `test/`. */
export default defineConfig({
  test: {
    pool: 'forks',
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
          exclude: ['test/architecture.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
