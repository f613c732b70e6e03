/** Unsigned 32 bits, little-endian. */
export function uint32Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Unsigned 64 bits, little-endian. */
export function uint64Bytes(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

/** A `CompactSize`, in its shortest form. */
export function sizeBytes(value: number): Buffer {
  if (value < 0xfd) return Buffer.of(value)
  if (value <= 0xffff) return Buffer.of(0xfd, value & 0xff, value >>> 8)
  return Buffer.concat([Buffer.of(0xfe), uint32Bytes(value)])
}

/** Bytes behind their own length. */
export function sizedBytes(bytes: Uint8Array): Buffer {
  return Buffer.concat([sizeBytes(bytes.length), bytes])
}
