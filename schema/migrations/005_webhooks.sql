-- Who wants to be told of what. Webhooks belong to no chain: `chain` is empty where a row is about a whole webhook.
CREATE TABLE wanlian.webhooks
(
  `chain` LowCardinality(String),
  `height` UInt64,
  -- Of the change.
  `time` DateTime64(3, 'UTC'),
  `id` String,
  -- Grows with every change; the latest stands.
  `version` UInt64,
  `created_at` DateTime64(3, 'UTC'),
  -- JSON, without the addresses.
  `definition` String CODEC(ZSTD(1)),
  -- How many rows `webhook_addresses` has for it.
  `addresses` UInt32,
  -- JSON: where it begins on each chain.
  `starts` String CODEC(ZSTD(1)),
  -- JSON: encrypted, the newest first, with the time until which each is valid.
  `secrets` String,
  `paused` UInt8,
  `removed` UInt8
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (chain, id)
SETTINGS non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Addresses that webhooks watch: whose they are is a look-up, whatever their number.
CREATE TABLE wanlian.webhook_addresses
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  `address` String CODEC(ZSTD(1)),
  `webhook` String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (address, webhook)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 100000;

-- How far each is, as its worker knows; a later version replaces the one before.
CREATE TABLE wanlian.webhook_states
(
  `chain` LowCardinality(String),
  `height` UInt64,
  `time` DateTime64(3, 'UTC'),
  `webhook` String,
  `version` UInt64,
  -- JSON.
  `state` String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (chain, webhook)
SETTINGS non_replicated_deduplication_window = 100000;

-- Every event of every webhook, as it is sent: once made it never changes.
CREATE TABLE wanlian.webhook_events
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  -- Of the block.
  `time` DateTime('UTC') CODEC(Delta, ZSTD(1)),
  `hash` String CODEC(ZSTD(1)),
  `webhook` String CODEC(ZSTD(1)),
  `sequence` UInt64 CODEC(Delta, ZSTD(1)),
  `type` LowCardinality(String),
  -- The sequence that this one takes back, else 0.
  `undoes` UInt64 CODEC(ZSTD(1)),
  -- Where the webhook stands on the chain once everything of this step is told: next height, and the block below it.
  `lane` Enum8('blocks' = 0, 'final' = 1),
  `next_height` UInt64 CODEC(Delta, ZSTD(1)),
  `last_hash` String CODEC(ZSTD(1)),
  `made_at` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  `body` String CODEC(ZSTD(3)),
  INDEX `by_height` height TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (webhook, sequence)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Attempts, with what was sent and what came back; kept until `expires`.
CREATE TABLE wanlian.webhook_deliveries
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  `webhook` String CODEC(ZSTD(1)),
  `sequence` UInt64 CODEC(Delta, ZSTD(1)),
  `event_id` String CODEC(ZSTD(1)),
  `type` LowCardinality(String),
  `attempt` UInt32,
  `origin` LowCardinality(String),
  `ok` UInt8,
  `status` Nullable(UInt16),
  `error` Nullable(String) CODEC(ZSTD(1)),
  `duration_ms` UInt32,
  `request_headers` String CODEC(ZSTD(1)),
  `request_body` String CODEC(ZSTD(3)),
  `response_headers` String CODEC(ZSTD(1)),
  `response_body` String CODEC(ZSTD(3)),
  `expires` DateTime('UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (webhook, time)
TTL expires
SETTINGS non_replicated_deduplication_window = 100000;

-- Events that were set aside because their retries were used up.
CREATE TABLE wanlian.webhook_skipped
(
  `chain` LowCardinality(String),
  `height` UInt64,
  `time` DateTime64(3, 'UTC'),
  `webhook` String,
  `sequence` UInt64,
  `event_id` String,
  `type` LowCardinality(String),
  `reason` String
)
ENGINE = ReplacingMergeTree(time)
ORDER BY (webhook, sequence)
SETTINGS non_replicated_deduplication_window = 100000;

-- Old events that are sent again; a later version replaces the one before.
CREATE TABLE wanlian.webhook_replays
(
  `chain` LowCardinality(String),
  `height` UInt64,
  `time` DateTime64(3, 'UTC'),
  `webhook` String,
  `id` String,
  `version` UInt64,
  -- The next to be sent, and the last.
  `next` UInt64,
  `last` UInt64,
  `per_second` Nullable(Float64)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (webhook, id)
SETTINGS non_replicated_deduplication_window = 100000;

-- Who works on a share of the webhooks: whoever took it last.
CREATE TABLE wanlian.webhook_leases
(
  `chain` LowCardinality(String),
  `height` UInt64,
  `time` DateTime64(3, 'UTC'),
  `bucket` String,
  `epoch` UInt64,
  `owner` String
)
ENGINE = MergeTree
ORDER BY (bucket, epoch)
SETTINGS non_replicated_deduplication_window = 100000
