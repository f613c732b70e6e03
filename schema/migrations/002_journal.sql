-- What a chain is called and how it counts, for readers that know no chain.
CREATE TABLE wanlian.chains
(
  `chain` LowCardinality(String),
  `caip2` String,
  `name` String,
  `family` LowCardinality(String),
  `ledger` LowCardinality(String),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `genesis_hash` String,
  `native_symbol` String,
  `native_name` String,
  `native_decimals` UInt8,
  -- Why sums of effects cannot be balances; empty when they can.
  `partial_effects` String,
  -- Confirmations after which a block counts as safe, and as final.
  `finality_safe` UInt32,
  `finality_final` UInt32,
  `changed_at` DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY chain;

-- What a writer is about to do, written before it does it: after a crash exactly this is repeated.
CREATE TABLE wanlian.journal
(
  `chain` LowCardinality(String),
  `partition` UInt16,
  `batch` UInt64,
  `height` UInt64,
  `time` DateTime('UTC'),
  -- Who carries the batch out: of two writers the first entry stands.
  `owner` String,
  `split_version` UInt32,
  -- Place in the log, 0 and 0 without a log.
  `offset_from` UInt64,
  `offset_to` UInt64,
  -- Blocks that are added; `linked` where the parent was stored and has the hash that the block names.
  `blocks` Nested(height UInt64, hash String, linked UInt8),
  -- Blocks that are cancelled, with the version of their rows.
  `cancels` Nested(height UInt64, version UInt64),
  -- 1 where the cancelled blocks left the chain, 0 where they are only written anew.
  `reorg` UInt8,
  -- 1 in a second row of a batch that was taken back: its blocks are not stored.
  `undone` UInt8,
  `tables` Nested(name String, rows UInt64, digest String)
)
ENGINE = MergeTree
ORDER BY (chain, partition, batch)
SETTINGS non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1;

-- How far a chain is: readers see the heights in `ranges` and no others.
CREATE TABLE wanlian.checkpoints
(
  `chain` LowCardinality(String),
  `partition` UInt16,
  -- Twice the batch while it is open, twice the batch plus one when it is committed.
  `version` UInt64,
  -- Highest published height, and its block time.
  `height` UInt64,
  `time` DateTime('UTC'),
  -- First and last height of each published range, ascending.
  `ranges` Array(Tuple(UInt64, UInt64)),
  -- Last batch that is done with.
  `committed` UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (chain, partition)
SETTINGS non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Heights up to which a chain's blocks are safe, and final, by its own rule.
CREATE TABLE wanlian.finality
(
  `chain` LowCardinality(String),
  `safe` UInt64,
  `final` UInt64,
  -- Place in the log: later ones stand.
  `version` UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY chain
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.reorgs
(
  `chain` LowCardinality(String),
  -- First height that changed.
  `height` UInt64,
  `time` DateTime('UTC'),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `depth` UInt32,
  `old_hash` String,
  `new_hash` String,
  `ancestor_hash` String,
  `transactions` UInt32,
  `batch` UInt64
)
ENGINE = MergeTree
ORDER BY (chain, height, batch)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.orphaned_blocks
(
  `chain` LowCardinality(String),
  `height` UInt64,
  `time` DateTime('UTC'),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String,
  `parent_hash` String,
  `transaction_count` UInt32,
  `size` Nullable(UInt32),
  `proofs` Array(LowCardinality(String)),
  `payload` String CODEC(ZSTD(3)),
  `orphaned_at` DateTime('UTC'),
  `batch` UInt64
)
ENGINE = MergeTree
ORDER BY (chain, height, batch)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.orphaned_transactions
(
  `chain` LowCardinality(String),
  `height` UInt64,
  `time` DateTime('UTC'),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String,
  `index` UInt32,
  `hash` String,
  `status` Nullable(UInt8),
  `fee` Nullable(UInt256),
  `effects_complete` UInt8,
  `orphaned_at` DateTime('UTC'),
  `batch` UInt64,
  INDEX by_hash hash TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (chain, height, index, batch)
SETTINGS non_replicated_deduplication_window = 100000;

-- Events that could not be stored, with the reason; a row with a higher number of attempts replaces the earlier one.
CREATE TABLE wanlian.dead_letters
(
  `chain` LowCardinality(String),
  -- Place in the log.
  `partition` UInt16,
  `offset` UInt64,
  -- 0 where the event names no height.
  `height` UInt64,
  -- When it was set aside.
  `time` DateTime('UTC'),
  `hash` String,
  `code` LowCardinality(String),
  `reason` String,
  `payload` String CODEC(ZSTD(3)),
  -- How often it was replayed.
  `attempts` UInt32,
  -- When it needed no more attention, and why; null while it waits.
  `resolved_at` Nullable(DateTime('UTC')),
  `resolution` String
)
ENGINE = ReplacingMergeTree(attempts)
ORDER BY (chain, partition, offset)
SETTINGS non_replicated_deduplication_window = 100000;

-- Effects in their second order: the history of an address without reading the others. Its order is its index.
CREATE TABLE wanlian.effects_by_address
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `transaction_hash` String CODEC(ZSTD(1)),
  `transaction_index` Nullable(UInt32) CODEC(Delta, ZSTD(1)),
  `address` String CODEC(ZSTD(1)),
  `asset` String CODEC(ZSTD(1)),
  `amount` Int256 CODEC(ZSTD(1)),
  `kind` LowCardinality(String),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1))
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (chain, address, height, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE MATERIALIZED VIEW wanlian.effects_by_address_feed TO wanlian.effects_by_address
AS SELECT * FROM wanlian.effects;

-- Balances: sums of signed effects, right through every cancellation.
CREATE TABLE wanlian.balance_sums
(
  `chain` LowCardinality(String),
  `address` String CODEC(ZSTD(1)),
  `asset` String CODEC(ZSTD(1)),
  `amount` Int256 CODEC(ZSTD(1)),
  `effects` Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree((amount, effects))
PARTITION BY chain
ORDER BY (chain, address, asset)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE MATERIALIZED VIEW wanlian.balance_sums_feed TO wanlian.balance_sums
AS SELECT chain, address, asset, sum(amount * row_sign) AS amount, sum(toInt64(row_sign)) AS effects
FROM wanlian.effects GROUP BY chain, address, asset;

-- Totals of a chain.
CREATE TABLE wanlian.chain_sums
(
  `chain` LowCardinality(String),
  `transactions` Int64,
  `incomplete_transactions` Int64
)
ENGINE = SummingMergeTree((transactions, incomplete_transactions))
ORDER BY chain
SETTINGS non_replicated_deduplication_window = 100000;

CREATE MATERIALIZED VIEW wanlian.chain_sums_feed TO wanlian.chain_sums
AS SELECT chain, sum(toInt64(row_sign)) AS transactions, sum(if(effects_complete = 0, toInt64(row_sign), 0)) AS incomplete_transactions
FROM wanlian.transactions GROUP BY chain;

-- Blocks of all chains by time: a stretch of time is found without reading the rest.
ALTER TABLE wanlian.blocks ADD INDEX IF NOT EXISTS by_time `time` TYPE minmax GRANULARITY 1
