import { randomUUID } from 'node:crypto'
import type { StateEntry } from '../../schema/ports.ts'

/** A record of the state's topic: key and value as Kafka has them; a value of null takes the record away. */
export interface StateRecord {
  key: string
  value: string | null
}

/** What became of a record that was read. */
export interface Applied {
  /** Of the state; null for a record that is none of ours. */
  key: string | null
  /** Whether it is what stands there now. */
  accepted: boolean
  /** Records that count no more: to be taken away. */
  outdated: readonly string[]
}

/**
 * The state as its topic's records make it, read from the first on. Every record has a key of its own, with the version
 * that it gives to the fact: of several for the same version the first in the log is right, so that all readers agree
 * without a lock. (Were records of a fact keyed alike, compaction would keep the last of them, which may be one that came
 * too late.) A taken fact stays as a version without a value.
 */
export function createStateFold() {
  const current = new Map<string, { version: number; value: unknown; record: string }>()
  /** Others of the version that stands, which came too late. */
  const late = new Map<string, string[]>()

  function apply(record: StateRecord): Applied {
    const named = readKey(record.key)
    if (named === null || record.value === null) return { key: null, accepted: false, outdated: [] }
    const { key, version } = named
    const before = current.get(key)
    if (before && version <= before.version) {
      if (version === before.version && record.key !== before.record)
        late.set(key, [...(late.get(key) ?? []), record.key])
      return { key, accepted: false, outdated: [] }
    }
    // A version is proposed by who has seen the one before accepted: that may be compacted away by now.
    const outdated = before ? [before.record, ...(late.get(key) ?? [])] : []
    late.delete(key)
    current.set(key, { version, value: readValue(record.value), record: record.key })
    return { key, accepted: true, outdated }
  }

  return {
    apply,
    get(key: string): StateEntry | null {
      const found = current.get(key)
      return found === undefined || found.value === null
        ? null
        : { value: found.value, version: found.version }
    },
    /** Of the fact that stands, or of one that was taken away; 0 where there never was one. */
    version: (key: string) => current.get(key)?.version ?? 0,
    keys: () => [...current.keys()].sort(),
  }
}

/** The record that would put a value in place of the version before. */
export function proposal(key: string, version: number, value: unknown): StateRecord {
  return { key: JSON.stringify([key, version, randomUUID()]), value: JSON.stringify({ value }) }
}

function readKey(text: string): { key: string; version: number } | null {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!Array.isArray(parsed)) return null
    const [key, version] = parsed as unknown[]
    return typeof key === 'string' && Number.isSafeInteger(version)
      ? { key, version: version as number }
      : null
  } catch {
    return null
  }
}

function readValue(text: string): unknown {
  try {
    return (JSON.parse(text) as { value?: unknown }).value ?? null
  } catch {
    return null
  }
}
