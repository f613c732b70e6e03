-- Ranges of heights whose rows were counted against the journal; a later look replaces the one before.
CREATE TABLE wanlian.reconciliation
(
  `chain` LowCardinality(String),
  -- The first and the last of the range.
  `height` UInt64,
  `to_height` UInt64,
  `time` DateTime64(3, 'UTC'),
  -- Blocks that the journal says are to be read there, and those that are.
  `delivered` UInt64,
  `stored` UInt64,
  -- Sentences; empty where the tables hold what was delivered.
  `differences` Array(String)
)
ENGINE = ReplacingMergeTree(time)
ORDER BY (chain, height)
SETTINGS non_replicated_deduplication_window = 100000;
