/** Shorter runs of printable characters are more likely chance than text. */
const SHORTEST = 4
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\ufffd]+/u

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.startsWith('0x') ? hex.slice(2) : hex, 'hex')
}

/** The parts of some bytes that read as UTF-8 text, with a space between them; '' when there are none. */
export function readableParts(hex: string): string {
  return partsOf(bytesOf(hex))
}

/** The same of a script that nobody runs: the lengths of its pushes are no part of the text. */
export function readableScript(hex: string): string {
  const script = bytesOf(hex)
  const pushes = pushesOf(script, 0) ?? [script]
  return pushes
    .map(partsOf)
    .filter(text => text !== '')
    .join(' ')
}

function partsOf(bytes: Buffer): string {
  return bytes
    .toString('utf8')
    .split(new RegExp(UNPRINTABLE, 'gu'))
    .map(part => part.trim())
    .filter(part => part.length >= SHORTEST)
    .join(' ')
}

const OP_RETURN = 0x6a
const OP_PUSHDATA1 = 0x4c
const OP_PUSHDATA2 = 0x4d

/** Text of an OP_RETURN script: its pushes, when all of them are readable UTF-8; null otherwise. */
export function dataScriptText(hex: string): string | null {
  const script = bytesOf(hex)
  if (script[0] !== OP_RETURN) return null
  const pushes = pushesOf(script, 1)
  if (pushes === null) return null
  const text = Buffer.concat(pushes).toString('utf8')
  return text !== '' && !UNPRINTABLE.test(text.replace(/[\n\r\t]/g, ' ')) ? text : null
}

/** What a script pushes from a place on; null when there is anything else in it. */
function pushesOf(script: Buffer, from: number): Buffer[] | null {
  const pushes: Buffer[] = []
  for (let at = from; at < script.length; ) {
    const push = readPush(script, at)
    if (push === null) return null
    pushes.push(script.subarray(push.from, push.to))
    at = push.to
  }
  return pushes
}

/** Where the push at `at` has its data; null when it is none, or reaches beyond the script. */
function readPush(script: Buffer, at: number): { from: number; to: number } | null {
  const code = script[at]!
  const sizes =
    code < OP_PUSHDATA1
      ? { header: 1, size: code }
      : code === OP_PUSHDATA1 && at + 1 < script.length
        ? { header: 2, size: script[at + 1]! }
        : code === OP_PUSHDATA2 && at + 2 < script.length
          ? { header: 3, size: script.readUInt16LE(at + 1) }
          : null
  if (sizes === null) return null
  const from = at + sizes.header
  return from + sizes.size <= script.length ? { from, to: from + sizes.size } : null
}
