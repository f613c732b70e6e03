-- What a row of the books said when it was written, in one number: a value that another hand changed does not fit it.
-- Blocks need none: their archive proves them. Long values are summed up first, so that short ones are quickly tried.
ALTER TABLE wanlian.journal ADD COLUMN IF NOT EXISTS `seal` UInt64 DEFAULT cityHash64(
  chain, partition, batch, height, time, owner, split_version, offset_from, offset_to, reorg, undone,
  cityHash64(`blocks.height`, `blocks.hash`, `blocks.linked`, `cancels.height`, `cancels.version`,
    `tables.name`, `tables.rows`, `tables.digest`));
ALTER TABLE wanlian.journal MATERIALIZE COLUMN `seal`;
ALTER TABLE wanlian.finality ADD COLUMN IF NOT EXISTS `seal` UInt64 DEFAULT cityHash64(
  chain, safe, final, version);
ALTER TABLE wanlian.finality MATERIALIZE COLUMN `seal`;
ALTER TABLE wanlian.dead_letters ADD COLUMN IF NOT EXISTS `seal` UInt64 DEFAULT cityHash64(
  chain, partition, offset, height, time, hash, code, attempts, isNull(resolved_at), ifNull(resolved_at, toDateTime(0, 'UTC')),
  resolution, cityHash64(reason, payload));
ALTER TABLE wanlian.dead_letters MATERIALIZE COLUMN `seal`;
