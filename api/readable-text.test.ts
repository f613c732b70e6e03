import { describe, expect, test } from 'vitest'
import { dataScriptText, readableParts, readableScript } from './readable-text.ts'

const hex = (text: string) => Buffer.from(text).toString('hex')

describe('readable text', () => {
  test('the first coinbase says what it is known for, without the lengths of its pushes', () => {
    const newspaper = 'The Times 03/Jan/2009 Chancellor on brink of second bailout for banks'
    expect(readableScript(`04ffff001d010445${hex(newspaper)}`)).toBe(newspaper)
    expect(readableScript(`ff${hex('/slush/')}00`)).toBe('/slush/')
  })

  test('short runs are chance, control characters are no text', () => {
    expect(readableParts(`0x${hex('ab')}00${hex('Titan (titanbuilder.xyz)')}01`)).toBe(
      'Titan (titanbuilder.xyz)',
    )
    expect(readableParts('0x0001ff')).toBe('')
    expect(readableParts('0x')).toBe('')
  })

  test('an OP_RETURN output reads when all of it does', () => {
    expect(dataScriptText(`6a05${hex('hello')}`)).toBe('hello')
    expect(dataScriptText(`6a4c06${hex('万链')}`)).toBe('万链')
    expect(dataScriptText(`6a4d0200${hex('ok')}`)).toBe('ok')
    expect(dataScriptText('6a02ff00')).toBe(null)
    expect(dataScriptText('6a')).toBe(null)
    expect(dataScriptText(`6a50${hex('hello')}`)).toBe(null)
    expect(dataScriptText('6a4cff00')).toBe(null)
    expect(dataScriptText(`76a914${'00'.repeat(20)}88ac`)).toBe(null)
  })
})
