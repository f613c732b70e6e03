import type { BlockRef } from '../schema/block.ts'
import { equalBytes } from '../schema/bytes.ts'

/** What the follow loop knows of the newest blocks that it handed on: enough to see where a branch leaves them. */
export interface Window {
  /** The newest block; null before the first. */
  tip(): BlockRef | null
  /** Whether the block is the one that is known at its height; null when none is known there. */
  has(block: BlockRef): boolean | null
  /** Hash of the parent that the block at a height names; null when that block is not known. */
  parentOf(height: number): Uint8Array | null
  push(block: BlockRef & { parentHash: Uint8Array }): void
  /** Forgets everything above a height. */
  cut(height: number): void
  clear(): void
}

/** Keeps at most `depth` + 1 blocks: a deeper branch is nobody's to follow. */
export function createWindow(depth: number): Window {
  const blocks = new Map<number, { hash: Uint8Array; parentHash: Uint8Array }>()
  let tip: BlockRef | null = null

  return {
    tip: () => tip,
    has({ height, hash }) {
      const known = blocks.get(height)
      return known === undefined ? null : equalBytes(known.hash, hash)
    },
    parentOf: height => blocks.get(height)?.parentHash ?? null,
    push({ height, hash, parentHash }) {
      blocks.set(height, { hash, parentHash })
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
