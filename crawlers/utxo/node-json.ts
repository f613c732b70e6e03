import { LosslessNumber, parse } from 'lossless-json'
import { z } from 'zod'
import { MalformedAnswerError } from '../../schema/errors.ts'
import { parseCoins } from './amount.ts'

/** JSON whose decimals keep their digits: whole numbers become numbers, all others stay text. */
export function parseNodeJson(text: string): unknown {
  return parse(text, undefined, digits =>
    /^-?\d{1,15}$/.test(digits) ? Number(digits) : new LosslessNumber(digits),
  )
}

/** Bytes of hex text; `Buffer.from` stops at the first digit that is none, so the length tells. */
export function parseHexText(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'hex')
  if (bytes.length * 2 !== text.length) throw new MalformedAnswerError(`${what}: expected hex of whole bytes`)
  return bytes
}

const hashText = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/)
  .toLowerCase()
const hexText = z.string().transform(text => parseHexText(text, 'node answer'))
const uint32 = z.number().int().min(0).max(0xffff_ffff)
/** Nodes print versions signed or unsigned. */
const version = z
  .number()
  .int()
  .min(-0x8000_0000)
  .max(0xffff_ffff)
  .transform(value => value | 0)
const coins = z
  .union([z.number().int(), z.instanceof(LosslessNumber)])
  .transform(value => parseCoins(String(value)))

const script = z.object({ hex: hexText })
const previousOutput = z.object({ value: coins, scriptPubKey: script })
const output = z.object({ value: coins, n: uint32, scriptPubKey: script })
const witness = z.array(hexText).default([])

const coinbaseInput = z.object({ coinbase: hexText, sequence: uint32, txinwitness: witness })
const spendingInput = z.object({
  txid: hashText,
  vout: uint32,
  scriptSig: script,
  sequence: uint32,
  txinwitness: witness,
  prevout: previousOutput.optional(),
})

const transaction = z.object({
  txid: hashText,
  version,
  locktime: uint32,
  vin: z.array(z.union([coinbaseInput, spendingInput])).min(1),
  vout: z.array(output),
  hex: hexText.optional(),
})

const block = z.object({
  hash: hashText,
  height: uint32,
  version,
  previousblockhash: hashText.optional(),
  merkleroot: hashText,
  time: uint32,
  bits: z.string().regex(/^[0-9a-fA-F]{8}$/),
  nonce: uint32,
  mediantime: uint32.optional(),
  chainwork: z
    .string()
    .regex(/^[0-9a-fA-F]{1,64}$/)
    .optional(),
  tx: z.array(z.union([hashText, transaction])),
})

/** What is asked of `getrawtransaction`: the bytes, or at least some outputs. */
const previousTransaction = z.object({ hex: hexText.optional(), vout: z.array(output).optional() })

const unspent = z.object({ value: coins })

export type NodeTransaction = z.output<typeof transaction>
export type NodeInput = NodeTransaction['vin'][number]
export type NodeBlock = z.output<typeof block>
export type NodePrevious = z.output<typeof previousTransaction>

function read<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new MalformedAnswerError(`${what}: ${issue?.path.join('.') || 'answer'}: ${issue?.message}`)
}

/** A hash in printed form. @throws MalformedAnswerError */
export function readHashText(value: unknown, what: string): string {
  return read(hashText, value, what)
}

/** A block as `getblock` describes it at verbosity 1 to 3. @throws MalformedAnswerError */
export function readNodeBlock(value: unknown, what: string): NodeBlock {
  return read(block, value, what)
}

/** A transaction as `getrawtransaction` describes it. @throws MalformedAnswerError */
export function readPreviousTransaction(value: unknown, what: string): NodePrevious {
  return read(previousTransaction, value, what)
}

/** An output as `gettxout` describes it. @throws MalformedAnswerError */
export function readUnspent(value: unknown, what: string): z.output<typeof unspent> {
  return read(unspent, value, what)
}

/** Recorded previous outputs by transaction hash. @throws MalformedAnswerError */
export function readPreviousByHash(value: unknown, what: string): Record<string, NodePrevious> {
  return read(z.record(hashText, previousTransaction), value, what)
}

/** A height or count. @throws MalformedAnswerError */
export function readHeight(value: unknown, what: string): number {
  return read(uint32, value, what)
}
