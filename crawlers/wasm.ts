/** What it takes to write WebAssembly modules instruction by instruction (core specification, 5): for hash functions. */

export type Code = readonly number[]

/** Unsigned LEB128, as the binary format writes numbers. */
export function leb(value: number): Code {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) | 128)
  }
}

/** Signed LEB128 of a number that is not negative. */
export function constant(value: number): Code {
  const bytes = [...leb(value)]
  return bytes.at(-1)! & 0x40 ? [...bytes.slice(0, -1), bytes.at(-1)! | 0x80, 0] : bytes
}

// Opcodes of the core specification, 5.4.
export const I32 = 0x7f
export const END = 0x0b
export const ADD: Code = [0x6a]
export const SUB: Code = [0x6b]
export const BRANCH_IF: Code = [0x0d, 0]
export const get = (local: number): Code => [0x20, ...leb(local)]
export const set = (local: number): Code => [0x21, ...leb(local)]
export const tee = (local: number): Code => [0x22, ...leb(local)]
export const i32 = (value: number): Code => [0x41, ...constant(value)]
export const when = (body: Code): Code => [0x04, 0x40, ...body, END]
export const loop = (body: Code): Code => [0x03, 0x40, ...body, END]
export const simd = (opcode: number): Code => [0xfd, ...leb(opcode)]

/** The body of a function: its locals by number and type, its instructions. */
export function functionBody(locals: readonly (readonly [count: number, type: number])[], code: Code): Code {
  const declared = locals.flatMap(([count, type]) => [...leb(count), type])
  const body = [...leb(locals.length), ...declared, ...code, END]
  return [...leb(body.length), ...body]
}

/** A module's parts. Functions take 32-bit integers and return nothing. */
export interface ModuleParts {
  pages: number
  functions: readonly { parameters: number; body: Code; exported?: string }[]
  data: readonly { at: number; bytes: Code }[]
}

function section(id: number, entries: readonly Code[]): Code {
  const content = [...leb(entries.length), ...entries.flat()]
  return [id, ...leb(content.length), ...content]
}

function exported(name: string, kind: number, index: number): Code {
  return [name.length, ...Buffer.from(name, 'ascii'), kind, index]
}

/** The binary format (5.5). */
function moduleBytes({ pages, functions, data }: ModuleParts): Uint8Array {
  const types = functions.map(({ parameters }) => [
    0x60,
    parameters,
    ...new Array<number>(parameters).fill(I32),
    0,
  ])
  const exports = functions.flatMap(({ exported: name }, index) => (name ? [exported(name, 0, index)] : []))
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(
      3,
      functions.map((_, index) => [index]),
    ),
    ...section(5, [[0, ...leb(pages)]]),
    ...section(7, [exported('memory', 2, 0), ...exports]),
    ...section(
      10,
      functions.map(({ body }) => body),
    ),
    ...section(
      11,
      data.map(({ at, bytes }) => [0, ...i32(at), END, ...leb(bytes.length), ...bytes]),
    ),
  ])
}

/** Node has it; the types of a browser that describe it are not ours to load. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { exports: unknown }
}

/** An instance with a memory of its own: that, and the exported functions. */
export function instantiate<Functions>(parts: ModuleParts): Functions & { memory: { buffer: ArrayBuffer } } {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
  return new Instance(new Module(moduleBytes(parts))).exports as Functions & {
    memory: { buffer: ArrayBuffer }
  }
}
