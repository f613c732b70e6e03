import { randomUUID } from 'node:crypto'
import { BASE_DATABASE } from '../../schema/ddl.ts'
import { FencedError } from '../../schema/errors.ts'
import type { InsertOptions, Sql } from '../../schema/ports.ts'

/** The right to work on a share of the webhooks: whoever took it last has it. */
export interface Lease {
  /** Grows with every owner. */
  epoch: number
  /** For `Sql.insert`: not 0 once another has taken it. */
  fence: NonNullable<InsertOptions['fence']>
  /** As of the last 2 seconds. */
  isMine(): Promise<boolean>
}

const LEASES = `${BASE_DATABASE}.webhook_leases`
/** An insert that the owner before had begun is done by then: only after that it is read how far he came. */
const SETTLE_MS = 300
const TRUST_MS = 2_000

/** @throws FencedError when another took it at the same moment. */
export async function takeLease(sql: Sql, bucket: string): Promise<Lease> {
  const owner = randomUUID()
  const read = () =>
    sql.rows<{ epoch: string; owner: string }>(
      `SELECT epoch, owner FROM ${LEASES} WHERE bucket = {bucket:String} ORDER BY epoch DESC, owner DESC LIMIT 1`,
      { bucket },
    )
  const [before] = await read()
  const epoch = Number(before?.epoch ?? 0) + 1
  await sql.command(
    `INSERT INTO ${LEASES} (chain, height, time, bucket, epoch, owner)
    SELECT '', 0, now64(3), {bucket:String}, {epoch:UInt64}, {owner:String}`,
    { bucket, epoch, owner },
  )
  await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
  let seenAt = 0
  let asking: Promise<boolean> | null = null
  async function ask(): Promise<boolean> {
    const askedAt = Date.now()
    const [now] = await read()
    if (now?.owner !== owner) return false
    seenAt = askedAt
    return true
  }
  async function isMine(): Promise<boolean> {
    if (Date.now() - seenAt < TRUST_MS) return true
    // A thousand webhooks want to know it at the same moment: it is asked once.
    asking ??= ask().finally(() => {
      asking = null
    })
    return asking
  }
  if (!(await isMine())) throw new FencedError(`webhooks ${bucket}: another worker took them`)
  return {
    epoch,
    isMine,
    fence: {
      expression: `(SELECT argMax(owner, (epoch, owner)) FROM ${LEASES} WHERE bucket = {lease_bucket:String}) != {lease_owner:String}`,
      params: { lease_bucket: bucket, lease_owner: owner },
    },
  }
}
