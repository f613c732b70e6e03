CREATE TABLE wanlian.raw_blocks
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String CODEC(ZSTD(1)),
  `format` LowCardinality(String),
  `payload` String CODEC(ZSTD(3)),
  `checksum` FixedString(16) CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1))
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`)
SETTINGS non_replicated_deduplication_window = 100000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE wanlian.transactions
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `hash` String CODEC(ZSTD(1)),
  `status` Nullable(UInt8),
  `fee` Nullable(UInt256) CODEC(ZSTD(1)),
  `effects_complete` UInt8,
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_hash` multiIf(empty(hash), '', hash_form = 'text', hash, hash_form = '0x', concat('0x', lower(hex(hash))), lower(hex(hash))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.effects
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
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` multiIf(empty(transaction_hash), '', hash_form = 'text', transaction_hash, hash_form = '0x', concat('0x', lower(hex(transaction_hash))), lower(hex(transaction_hash))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_address` `address` TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_asset` `asset` TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.block_assets
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String CODEC(ZSTD(1)),
  `asset` String CODEC(ZSTD(1)),
  `standard` LowCardinality(String),
  `contract` String CODEC(ZSTD(1)),
  `token_id` Nullable(UInt256) CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1))
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `asset`, `height`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.token_transfers
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String CODEC(ZSTD(1)),
  `transaction_hash` String CODEC(ZSTD(1)),
  `transaction_index` UInt32 CODEC(Delta, ZSTD(1)),
  `log_index` UInt32 CODEC(Delta, ZSTD(1)),
  `batch_index` UInt32 CODEC(Delta, ZSTD(1)),
  `standard` LowCardinality(String),
  `token` String CODEC(ZSTD(1)),
  `from_address` String CODEC(ZSTD(1)),
  `to_address` String CODEC(ZSTD(1)),
  `token_id` Nullable(UInt256) CODEC(ZSTD(1)),
  `amount` UInt256 CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` multiIf(empty(transaction_hash), '', hash_form = 'text', transaction_hash, hash_form = '0x', concat('0x', lower(hex(transaction_hash))), lower(hex(transaction_hash))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_token` `token` TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_from_address` `from_address` TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_to_address` `to_address` TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `log_index`, `batch_index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.utxo_blocks
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `version` Int32,
  `merkle_root` FixedString(32) CODEC(ZSTD(1)),
  `bits` UInt32 CODEC(Delta, ZSTD(1)),
  `nonce` UInt32 CODEC(Delta, ZSTD(1)),
  `difficulty` Float64 CODEC(ZSTD(1)),
  `work` UInt256 CODEC(ZSTD(1)),
  `stripped_size` UInt32 CODEC(Delta, ZSTD(1)),
  `weight` UInt32 CODEC(Delta, ZSTD(1)),
  `proof_hash` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `auxpow_parent_hash` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `coinbase_script` String CODEC(ZSTD(3)),
  `miner` String CODEC(ZSTD(1)),
  `subsidy` Nullable(UInt256) CODEC(ZSTD(1)),
  `fees` Nullable(UInt256) CODEC(ZSTD(1)),
  `input_count` UInt32 CODEC(Delta, ZSTD(1)),
  `output_count` UInt32 CODEC(Delta, ZSTD(1)),
  `extension_size` UInt32 CODEC(Delta, ZSTD(1)),
  `median_time` Nullable(DateTime('UTC')) CODEC(DoubleDelta, ZSTD(1)),
  `chain_work` Nullable(UInt256) CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_miner` `miner` TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.utxo_transactions
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_hash` FixedString(32) CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `witness_hash` FixedString(32) CODEC(ZSTD(1)),
  `version` Int32,
  `lock_time` UInt32 CODEC(Delta, ZSTD(1)),
  `size` UInt32 CODEC(Delta, ZSTD(1)),
  `virtual_size` UInt32 CODEC(Delta, ZSTD(1)),
  `weight` UInt32 CODEC(Delta, ZSTD(1)),
  `is_coinbase` UInt8,
  `input_count` UInt32 CODEC(Delta, ZSTD(1)),
  `output_count` UInt32 CODEC(Delta, ZSTD(1)),
  `input_amount` Nullable(UInt256) CODEC(ZSTD(1)),
  `output_amount` UInt256 CODEC(ZSTD(1)),
  `fee` Nullable(UInt256) CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` lower(hex(transaction_hash)) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_witness_hash` lower(hex(witness_hash)) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.utxo_inputs
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_index` UInt32 CODEC(Delta, ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `is_coinbase` UInt8,
  `previous_hash` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `previous_index` Nullable(UInt32) CODEC(Delta, ZSTD(1)),
  `amount` Nullable(UInt256) CODEC(ZSTD(1)),
  `address` Nullable(String) CODEC(ZSTD(1)),
  `script_type` LowCardinality(Nullable(String)),
  `source` Enum8('coinbase' = 0, 'block' = 1, 'stored' = 2, 'transaction' = 3, 'node' = 4, 'unknown' = 5),
  `script_sig` String CODEC(ZSTD(3)),
  `witness` Array(String) CODEC(ZSTD(1)),
  `sequence` UInt32 CODEC(Delta, ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` lower(hex(transaction_hash)) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_previous_hash` lower(hex(previous_hash)) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_address` `address` TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `transaction_index`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.utxo_outputs
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_index` UInt32 CODEC(Delta, ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `amount` UInt256 CODEC(ZSTD(1)),
  `address` String CODEC(ZSTD(1)),
  `script_type` LowCardinality(String),
  `script_pubkey` String CODEC(ZSTD(3)),
  `required_signatures` Nullable(UInt16),
  `is_coinbase` UInt8,
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` lower(hex(transaction_hash)) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_address` `address` TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `transaction_index`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.evm_blocks
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `uncles_hash` FixedString(32) CODEC(ZSTD(1)),
  `miner` FixedString(20) CODEC(ZSTD(1)),
  `state_root` FixedString(32) CODEC(ZSTD(1)),
  `transactions_root` FixedString(32) CODEC(ZSTD(1)),
  `receipts_root` FixedString(32) CODEC(ZSTD(1)),
  `logs_bloom` FixedString(256) CODEC(ZSTD(1)),
  `difficulty` UInt256 CODEC(ZSTD(1)),
  `gas_limit` UInt64 CODEC(ZSTD(1)),
  `gas_used` UInt64 CODEC(ZSTD(1)),
  `extra_data` String CODEC(ZSTD(3)),
  `mix_hash` FixedString(32) CODEC(ZSTD(1)),
  `nonce` FixedString(8) CODEC(ZSTD(1)),
  `base_fee_per_gas` Nullable(UInt256) CODEC(ZSTD(1)),
  `withdrawals_root` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `blob_gas_used` Nullable(UInt64) CODEC(ZSTD(1)),
  `excess_blob_gas` Nullable(UInt64) CODEC(ZSTD(1)),
  `parent_beacon_block_root` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `requests_hash` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `total_difficulty` Nullable(UInt256) CODEC(ZSTD(1)),
  `uncle_count` UInt32 CODEC(Delta, ZSTD(1)),
  `withdrawal_count` UInt32 CODEC(Delta, ZSTD(1)),
  `block_reward` Nullable(UInt256) CODEC(ZSTD(1)),
  `uncle_inclusion_reward` Nullable(UInt256) CODEC(ZSTD(1)),
  `fee_reward` Nullable(UInt256) CODEC(ZSTD(1)),
  `burnt` Nullable(UInt256) CODEC(ZSTD(1)),
  `trace_source` LowCardinality(String),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_miner` concat('0x', lower(hex(miner))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.evm_transactions
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_hash` FixedString(32) CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `type` UInt8,
  `nonce` UInt64 CODEC(ZSTD(1)),
  `from_address` FixedString(20) CODEC(ZSTD(1)),
  `sender_proven` UInt8,
  `to_address` Nullable(FixedString(20)) CODEC(ZSTD(1)),
  `value` UInt256 CODEC(ZSTD(1)),
  `gas_limit` UInt64 CODEC(ZSTD(1)),
  `gas_price` Nullable(UInt256) CODEC(ZSTD(1)),
  `max_fee_per_gas` Nullable(UInt256) CODEC(ZSTD(1)),
  `max_priority_fee_per_gas` Nullable(UInt256) CODEC(ZSTD(1)),
  `max_fee_per_blob_gas` Nullable(UInt256) CODEC(ZSTD(1)),
  `effective_gas_price` Nullable(UInt256) CODEC(ZSTD(1)),
  `input` String CODEC(ZSTD(3)),
  `chain_id` Nullable(UInt64) CODEC(ZSTD(1)),
  `access_list` Array(Tuple(address FixedString(20), storage_keys Array(FixedString(32)))) CODEC(ZSTD(1)),
  `blob_versioned_hashes` Array(FixedString(32)) CODEC(ZSTD(1)),
  `authorization_list` Array(Tuple(chain_id UInt256, address FixedString(20), nonce UInt64, y_parity UInt8, r UInt256, s UInt256, authority Nullable(FixedString(20)))) CODEC(ZSTD(1)),
  `v` UInt256 CODEC(ZSTD(1)),
  `r` UInt256 CODEC(ZSTD(1)),
  `s` UInt256 CODEC(ZSTD(1)),
  `status` Nullable(UInt8),
  `gas_used` Nullable(UInt64) CODEC(ZSTD(1)),
  `cumulative_gas_used` Nullable(UInt64) CODEC(ZSTD(1)),
  `state_root` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `contract_address` Nullable(FixedString(20)) CODEC(ZSTD(1)),
  `blob_gas_used` Nullable(UInt64) CODEC(ZSTD(1)),
  `blob_gas_price` Nullable(UInt256) CODEC(ZSTD(1)),
  `log_count` Nullable(UInt32) CODEC(Delta, ZSTD(1)),
  `trace_count` Nullable(UInt32) CODEC(Delta, ZSTD(1)),
  `error` Nullable(String) CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` concat('0x', lower(hex(transaction_hash))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_from_address` concat('0x', lower(hex(from_address))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_to_address` concat('0x', lower(hex(to_address))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_contract_address` concat('0x', lower(hex(contract_address))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.evm_logs
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_index` UInt32 CODEC(Delta, ZSTD(1)),
  `log_index` UInt32 CODEC(Delta, ZSTD(1)),
  `address` FixedString(20) CODEC(ZSTD(1)),
  `topic0` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `topic1` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `topic2` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `topic3` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `data` String CODEC(ZSTD(3)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` concat('0x', lower(hex(transaction_hash))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_address` concat('0x', lower(hex(address))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_topic0` concat('0x', lower(hex(topic0))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_topic1` concat('0x', lower(hex(topic1))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_topic2` concat('0x', lower(hex(topic2))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_topic3` concat('0x', lower(hex(topic3))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `log_index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.evm_traces
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_hash` FixedString(32) CODEC(ZSTD(1)),
  `transaction_index` UInt32 CODEC(Delta, ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `trace_address` Array(UInt32) CODEC(ZSTD(1)),
  `type` LowCardinality(String),
  `from_address` FixedString(20) CODEC(ZSTD(1)),
  `to_address` Nullable(FixedString(20)) CODEC(ZSTD(1)),
  `value` UInt256 CODEC(ZSTD(1)),
  `gas` Nullable(UInt64) CODEC(ZSTD(1)),
  `gas_used` Nullable(UInt64) CODEC(ZSTD(1)),
  `input` String CODEC(ZSTD(3)),
  `output` String CODEC(ZSTD(3)),
  `error` Nullable(String) CODEC(ZSTD(1)),
  `reverted` UInt8,
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_transaction_hash` concat('0x', lower(hex(transaction_hash))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_from_address` concat('0x', lower(hex(from_address))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_to_address` concat('0x', lower(hex(to_address))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `transaction_index`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.evm_withdrawals
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `withdrawal_index` UInt64 CODEC(ZSTD(1)),
  `validator_index` UInt64 CODEC(ZSTD(1)),
  `address` FixedString(20) CODEC(ZSTD(1)),
  `amount` UInt256 CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_address` concat('0x', lower(hex(address))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.evm_uncles
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `block_hash` FixedString(32) CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `hash` FixedString(32) CODEC(ZSTD(1)),
  `uncle_height` UInt64 CODEC(Delta, ZSTD(1)),
  `uncle_time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `parent_hash` FixedString(32) CODEC(ZSTD(1)),
  `reward` Nullable(UInt256) CODEC(ZSTD(1)),
  `uncles_hash` FixedString(32) CODEC(ZSTD(1)),
  `miner` FixedString(20) CODEC(ZSTD(1)),
  `state_root` FixedString(32) CODEC(ZSTD(1)),
  `transactions_root` FixedString(32) CODEC(ZSTD(1)),
  `receipts_root` FixedString(32) CODEC(ZSTD(1)),
  `logs_bloom` FixedString(256) CODEC(ZSTD(1)),
  `difficulty` UInt256 CODEC(ZSTD(1)),
  `gas_limit` UInt64 CODEC(ZSTD(1)),
  `gas_used` UInt64 CODEC(ZSTD(1)),
  `extra_data` String CODEC(ZSTD(3)),
  `mix_hash` FixedString(32) CODEC(ZSTD(1)),
  `nonce` FixedString(8) CODEC(ZSTD(1)),
  `base_fee_per_gas` Nullable(UInt256) CODEC(ZSTD(1)),
  `withdrawals_root` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `blob_gas_used` Nullable(UInt64) CODEC(ZSTD(1)),
  `excess_blob_gas` Nullable(UInt64) CODEC(ZSTD(1)),
  `parent_beacon_block_root` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `requests_hash` Nullable(FixedString(32)) CODEC(ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1)),
  INDEX `by_hash` concat('0x', lower(hex(hash))) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX `by_miner` concat('0x', lower(hex(miner))) TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE wanlian.hashes
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `kind` Enum8('block' = 0, 'transaction' = 1, 'open_input' = 2),
  `prefix` UInt64 CODEC(ZSTD(1)),
  `index` UInt32 CODEC(Delta, ZSTD(1)),
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1))
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`kind`, `prefix`, `chain`, `height`, `index`)
SETTINGS non_replicated_deduplication_window = 100000, index_granularity = 1024;

CREATE TABLE wanlian.blocks
(
  `chain` LowCardinality(String),
  `height` UInt64 CODEC(Delta, ZSTD(1)),
  `time` DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
  `hash_form` Enum8('hex' = 0, '0x' = 1, 'text' = 2),
  `block_hash` String CODEC(ZSTD(1)),
  `parent_hash` String CODEC(ZSTD(1)),
  `transaction_count` UInt32 CODEC(Delta, ZSTD(1)),
  `size` Nullable(UInt32) CODEC(Delta, ZSTD(1)),
  `proofs` Array(LowCardinality(String)) CODEC(ZSTD(1)),
  `effects_complete` UInt8,
  `row_sign` Int8,
  `row_version` UInt64 CODEC(ZSTD(1))
)
ENGINE = VersionedCollapsingMergeTree(row_sign, row_version)
PARTITION BY (chain, intDiv(height, 5000000))
ORDER BY (`chain`, `height`)
SETTINGS non_replicated_deduplication_window = 100000
