import type { BlockRef } from '../schema/block.ts'
import { equalBytes } from '../schema/bytes.ts'

/** What is kept of a block: its place in the chain, and its work where branches are chosen by that. */
export interface Link {
  hash: Uint8Array
  parentHash: Uint8Array
  work?: bigint
}

/** What the follow loop knows of the newest blocks that it handed on: enough to see where a branch leaves them. */
export interface Window {
  /** The newest block; null before the first. */
  tip(): BlockRef | null
  /** Whether the block is the one that is known at its height; null when none is known there. */
  has(block: BlockRef): boolean | null
  /** Hash of the block at a height; null when it is not known. */
  hashAt(height: number): Uint8Array | null
  /** Hash of the parent that the block at a height names; null when that block is not known. */
  parentOf(height: number): Uint8Array | null
  /** Work of all known blocks above a height; null where branches are not chosen by work. */
  workAbove(height: number): bigint | null
  push(block: BlockRef & Link): void
  /** Forgets everything above a height. */
  cut(height: number): void
  clear(): void
}

/** Keeps at most `depth` + 1 blocks: a deeper branch is nobody's to follow. */
export function createWindow(depth: number): Window {
  const blocks = new Map<number, Link>()
  let tip: BlockRef | null = null

  return {
    tip: () => tip,
    has({ height, hash }) {
      const known = blocks.get(height)
      return known === undefined ? null : equalBytes(known.hash, hash)
    },
    hashAt: height => blocks.get(height)?.hash ?? null,
    parentOf: height => blocks.get(height)?.parentHash ?? null,
    workAbove(height) {
      let sum = 0n
      for (const [at, { work }] of blocks) {
        if (at <= height) continue
        if (work === undefined) return null
        sum += work
      }
      return sum
    },
    push({ height, hash, parentHash, work }) {
      blocks.set(height, { hash, parentHash, ...(work !== undefined && { work }) })
      if (tip === null || height >= tip.height) tip = { height, hash }
      for (const old of blocks.keys()) if (old < tip.height - depth) blocks.delete(old)
    },
    cut(height) {
      for (const above of [...blocks.keys()]) if (above > height) blocks.delete(above)
      const highest = Math.max(...blocks.keys())
      tip = blocks.size === 0 ? null : { height: highest, hash: blocks.get(highest)!.hash }
    },
    clear() {
      blocks.clear()
      tip = null
    },
  }
}
