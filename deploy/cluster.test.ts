import { describe, expect, test } from 'vitest'
import { type ClusterLayout, clusterStatements } from '../schema/cluster.ts'
import { readMigrations } from './migrate.ts'

const layout: ClusterLayout = { cluster: 'chains', replicated: true, onCluster: true }
const plain: ClusterLayout = { cluster: 'chains', replicated: false, onCluster: false }

describe('statements for a cluster', () => {
  test('a table is replicated on its shard, and reached on all by its old name', () => {
    const statement = `CREATE TABLE IF NOT EXISTS wanlian.x
(
  chain String
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
ORDER BY chain
SETTINGS non_replicated_deduplication_window = 100000, index_granularity = 1024`
    const [kept, reached] = clusterStatements(statement, layout)
    expect(kept).toBe(`CREATE TABLE IF NOT EXISTS wanlian_local.x ON CLUSTER chains
(
  chain String
)
ENGINE = ReplicatedVersionedCollapsingMergeTree('/wanlian/{shard}/x', '{replica}', row_sign, row_version)
ORDER BY chain
SETTINGS replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 604800, index_granularity = 1024`)
    expect(reached).toBe(`CREATE TABLE IF NOT EXISTS wanlian.x ON CLUSTER chains AS wanlian_local.x
ENGINE = Distributed('chains', 'wanlian_local', 'x', cityHash64(chain))`)
    const [unreplicated] = clusterStatements(statement, plain)
    expect(unreplicated).toBe(statement.replace('wanlian.x', 'wanlian_local.x'))
  })

  test('materialized views stay on their server', () => {
    const [view, ...more] = clusterStatements(
      'CREATE MATERIALIZED VIEW IF NOT EXISTS wanlian.f TO wanlian.t\nAS SELECT * FROM wanlian.s',
      layout,
    )
    expect(more).toEqual([])
    expect(view).toBe(
      'CREATE MATERIALIZED VIEW IF NOT EXISTS wanlian_local.f ON CLUSTER chains TO wanlian_local.t\nAS SELECT * FROM wanlian_local.s',
    )
  })

  test('new columns are told to both tables, all other changes to the one with the rows', () => {
    expect(clusterStatements('ALTER TABLE wanlian.x ADD COLUMN IF NOT EXISTS a UInt8', layout)).toEqual([
      'ALTER TABLE wanlian_local.x ON CLUSTER chains ADD COLUMN IF NOT EXISTS a UInt8',
      'ALTER TABLE wanlian.x ON CLUSTER chains ADD COLUMN IF NOT EXISTS a UInt8',
    ])
    expect(clusterStatements('ALTER TABLE wanlian.x DELETE WHERE chain = {chain:String}', layout)).toEqual([
      'ALTER TABLE wanlian_local.x ON CLUSTER chains DELETE WHERE chain = {chain:String}',
    ])
  })

  test('a table goes where it is reached first, and the keeper forgets it at once', () => {
    expect(clusterStatements('DROP TABLE IF EXISTS wanlian.mended_journal', layout)).toEqual([
      'DROP TABLE IF EXISTS wanlian.mended_journal ON CLUSTER chains',
      'DROP TABLE IF EXISTS wanlian_local.mended_journal ON CLUSTER chains SYNC',
    ])
    expect(clusterStatements('OPTIMIZE TABLE wanlian.effects FINAL', layout)).toEqual([
      'OPTIMIZE TABLE wanlian_local.effects ON CLUSTER chains FINAL',
    ])
  })

  test('outsiders’ views, the notes of migrations, and what is no such statement', () => {
    expect(
      clusterStatements(
        'CREATE OR REPLACE VIEW default.v DEFINER = CURRENT_USER SQL SECURITY DEFINER AS\nSELECT 1',
        layout,
      ),
    ).toEqual([
      'CREATE OR REPLACE VIEW default.v ON CLUSTER chains DEFINER = CURRENT_USER SQL SECURITY DEFINER AS\nSELECT 1',
    ])
    expect(
      clusterStatements(
        'CREATE TABLE IF NOT EXISTS wanlian.migrations (name String) ENGINE = ReplacingMergeTree(applied_at) ORDER BY name',
        layout,
      ),
    ).toEqual([
      "CREATE TABLE IF NOT EXISTS wanlian.migrations ON CLUSTER chains (name String) ENGINE = ReplicatedReplacingMergeTree('/wanlian/migrations', '{shard}_{replica}', applied_at) ORDER BY name",
    ])
    for (const other of ['INSERT INTO wanlian.x SELECT 1', 'SELECT * FROM wanlian.x', 'KILL QUERY x']) {
      expect(clusterStatements(other, layout)).toEqual([other])
    }
  })

  test('every table of the migrations has a chain to be placed by, and a window of its own', async () => {
    const statements = (await readMigrations()).flatMap(migration => migration.statements)
    const tables = statements.filter(statement => statement.startsWith('CREATE TABLE'))
    expect(tables.length).toBeGreaterThan(25)
    for (const table of tables) {
      const [kept = '', reached = ''] = clusterStatements(table, layout)
      expect(kept).toMatch(/^CREATE TABLE wanlian_local\.\w+ ON CLUSTER chains\n/)
      expect(kept).toMatch(/\bENGINE = Replicated\w*MergeTree\('\/wanlian\/\{shard\}\/\w+', '\{replica\}'/)
      expect(kept).not.toContain('non_replicated')
      expect(kept).toContain('`chain` LowCardinality(String)')
      expect(reached).toContain('cityHash64(chain)')
    }
  })
})
