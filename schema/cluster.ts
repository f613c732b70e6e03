import { BASE_DATABASE } from './ddl.ts'

/** Where a cluster keeps the rows; tables of the same names in the base database reach the rows of every shard. */
export const LOCAL_DATABASE = `${BASE_DATABASE}_local`

/** A week: as long as a batch may stay open before it is repeated under its tokens. */
const WINDOW_SECONDS = 604_800

/**
 * What makes one server's statements those of a cluster.
 *
 * **A chain is on one shard.** Everything that has to agree is about one chain: its journal, its checkpoints, the rows of
 * a block and their counterparts with sign -1, the sums of its addresses. So the sharding key is the chain alone, not
 * chain and height: then an insert (one batch = one chain, one table) goes to one shard whole and stays one atomic,
 * deduplicated block there; `FINAL` and the sums need rows of one shard only; the fence of an insert and its journal
 * are neighbours. With heights in the key, balances would be spread over shards and `balance_sums FINAL` would
 * show an address once for each. Chains differ in size: give a large one more shards' worth of disk, or a cluster.
 *
 * **Tokens.** Windows of replicated tables are settings of their own (`replicated_deduplication_window`, also `_seconds`,
 * which would forget after an hour otherwise), on tables and on targets of materialized views alike. A materialized view
 * reads and writes the tables of its own server: its target gets the rows once, on the replica that took the insert, and
 * replicates them itself.
 *
 * **Notes about migrations** belong to no chain: one copy on each server, in step through the keeper.
 *
 * **What the servers' configuration has to say.** `internal_replication` true: else each insert goes to every copy and the
 * keeper's tokens throw the second away. `remote_servers` with a user and a password, not with `<secret>`: with a secret
 * the other shards are asked in the name of whoever asked first, an outsider, whom they refuse (code 497), although the
 * view speaks with its maker's rights (ClickHouse issue 88009, open). The writing user is on every server: it is
 * the views' maker there.
 */
export interface ClusterLayout {
  /** Of the servers' `remote_servers`, with `internal_replication` where tables are replicated. */
  cluster: string
  /** Copies through a keeper; the servers know their `{shard}` and `{replica}` by macros. */
  replicated: boolean
  /** Whether the servers pass statements on themselves; else each statement is sent to each of them. */
  onCluster: boolean
}

/** Settings of every statement to a cluster. */
export function clusterSettings({ replicated }: ClusterLayout): Record<string, string | number> {
  return {
    // An insert is acknowledged when its shard has it: a queue on the way would acknowledge what may be lost.
    distributed_foreground_insert: 1,
    // Sets and right sides of joins are made from all shards, once.
    distributed_product_mode: 'global',
    // Each row goes where its chain is: otherwise each shard keeps what it selected, also rows that get another chain.
    parallel_distributed_insert_select: 0,
    // Reading and writing prefer the same replica, the first that answers, also where the server that was asked is
    // another: so a writer reads what it wrote, and two writers of a chain read the same journal.
    load_balancing: 'in_order',
    prefer_localhost_replica: 0,
    ...(replicated && {
      // What a fail-over reads was taken by most replicas (both of two): code 319 and 285 until then, and the same token
      // again, which waits for the quorum of the rows that are there already. `select_sequential_consistency` would say
      // no more: it holds only for inserts one after the other (`insert_quorum_parallel` 0). Of three replicas one
      // may be behind: put it last in `remote_servers`.
      insert_quorum: 'auto',
      insert_quorum_parallel: 1,
      // The server gives up before its client does (120 s), and says why.
      insert_quorum_timeout: 60_000,
      distributed_ddl_task_timeout: 100,
    }),
  }
}

/** Statements on one server → statements on a cluster. Those that name none of our tables' forms stay as they are. */
export function clusterStatements(statement: string, layout: ClusterLayout): string[] {
  const on = layout.onCluster ? ` ON CLUSTER ${layout.cluster}` : ''
  const [, verb = ''] =
    /^\s*(CREATE DATABASE|CREATE TABLE|CREATE MATERIALIZED VIEW|CREATE OR REPLACE VIEW|ALTER TABLE|OPTIMIZE TABLE|DROP TABLE)\b/.exec(
      statement,
    ) ?? []
  switch (verb) {
    case 'CREATE DATABASE':
      return [BASE_DATABASE, LOCAL_DATABASE].map(name => `CREATE DATABASE IF NOT EXISTS ${name}${on}`)
    case 'CREATE TABLE':
      return createTable(statement, layout, on)
    case 'CREATE MATERIALIZED VIEW':
      return [afterName(local(statement), on)]
    case 'CREATE OR REPLACE VIEW':
      return [afterName(statement, on)]
    case 'OPTIMIZE TABLE':
      return [afterName(local(statement), on)]
    case 'ALTER TABLE':
      return alterTable(statement, on)
    case 'DROP TABLE':
      // What reads through all shards goes first: as long as it is there, so are the rows. Without SYNC the keeper knows
      // a replica for minutes longer, and a table of the same name cannot be made (code 253).
      return [statement, `${local(statement)} SYNC`].map(one => afterName(one, on))
    default:
      return [statement]
  }
}

function local(statement: string): string {
  return statement.replaceAll(`${BASE_DATABASE}.`, `${LOCAL_DATABASE}.`)
}

const NAME =
  /^(\s*(?:CREATE (?:TABLE|MATERIALIZED VIEW|OR REPLACE VIEW)|ALTER TABLE|OPTIMIZE TABLE|DROP TABLE)\s+(?:IF (?:NOT )?EXISTS\s+)?(?:\w+\.)?`?(\w+)`?)/

function afterName(statement: string, text: string): string {
  return statement.replace(NAME, (_, head: string) => `${head}${text}`)
}

/** The table of the migrations' notes, and the one whose creation is their turn: the same on every server. */
const NOTES = 'migrations'
const TURN = 'migrating'

function createTable(statement: string, layout: ClusterLayout, on: string): string[] {
  const [, , name = ''] = NAME.exec(statement) ?? []
  if (name === TURN) return [afterName(statement, on)]
  if (name === NOTES) {
    const place = [`'/${BASE_DATABASE}/${NOTES}'`, "'{shard}_{replica}'"]
    return [afterName(layout.replicated ? replicated(statement, place) : statement, on)]
  }
  const place = [`'/${BASE_DATABASE}/{shard}/${name}'`, "'{replica}'"]
  const kept = local(layout.replicated ? replicated(statement, place) : statement)
  return [
    afterName(kept, on),
    `CREATE TABLE IF NOT EXISTS ${BASE_DATABASE}.${name}${on} AS ${LOCAL_DATABASE}.${name}
ENGINE = Distributed('${layout.cluster}', '${LOCAL_DATABASE}', '${name}', cityHash64(chain))`,
  ]
}

function replicated(statement: string, place: readonly string[]): string {
  return statement
    .replace(
      /\bENGINE = (\w*MergeTree)(?:\(([^\n]*)\))?/,
      (_, engine: string, given: string | undefined) =>
        `ENGINE = Replicated${engine}(${[...place, ...(given ? [given] : [])].join(', ')})`,
    )
    .replace(
      /\bnon_replicated_deduplication_window = (\d+)/,
      `replicated_deduplication_window = $1, replicated_deduplication_window_seconds = ${WINDOW_SECONDS}`,
    )
}

/** Rows, indexes and stored columns are the local tables'; what reads through all shards only learns of new columns. */
function alterTable(statement: string, on: string): string[] {
  const kept = afterName(local(statement), on)
  return /\bADD COLUMN\b/.test(statement) ? [kept, afterName(statement, on)] : [kept]
}
