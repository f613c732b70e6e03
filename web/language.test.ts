import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { languages, preferredLanguage } from './language.ts'

const here = new URL('.', import.meta.url)

/** Paths of all texts of a table, and what kind of text each is. */
function entries(table: object, prefix = ''): [string, string][] {
  return Object.entries(table).flatMap(([key, value]): [string, string][] => {
    const path = `${prefix}${key}`
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return entries(value, `${path}.`)
    return [[path, Array.isArray(value) ? 'list' : typeof value]]
  })
}

const shape = (table: object) => Object.fromEntries(entries(table))

describe('languages', () => {
  test('have the same texts', () => {
    expect(shape(languages.zh)).toEqual(shape(languages.en))
    expect(Object.keys(shape(languages.en)).length).toBeGreaterThan(300)
  })

  test('no text is empty, and none was forgotten in English', () => {
    const texts = (table: object): [string, string][] =>
      Object.entries(table).flatMap(([key, value]): [string, string][] =>
        typeof value === 'string'
          ? [[key, value]]
          : typeof value === 'object'
            ? texts(value as object).map(([path, text]) => [`${key}.${path}`, text])
            : [],
      )
    expect(texts(languages.en).filter(([, text]) => text.trim() === '')).toEqual([])
    const han = /\p{Script=Han}/u
    // Names of standards, units and things that have no other name in Chinese.
    const international = /^(CSV|JSON|API|UTC|Wanlian|CAIP-2|ERC-\d+|#|blob( gas)?|zh-Hans)$/
    const foreign = texts(languages.zh).filter(([, text]) => !han.test(text) && !international.test(text))
    expect(foreign).toEqual([])
    expect(texts(languages.en).filter(([path, text]) => han.test(text) && path !== 'site.han')).toEqual([])
  })

  test('the browser’s preference decides, by quality', () => {
    expect(preferredLanguage('zh-CN,zh;q=0.9,en;q=0.8')).toBe('zh')
    expect(preferredLanguage('fr, en;q=0.5, zh;q=0.7')).toBe('zh')
    expect(preferredLanguage('zh;q=0, en')).toBe('en')
    expect(preferredLanguage('*')).toBe('en')
    expect(preferredLanguage(undefined)).toBe('en')
    expect(preferredLanguage(`${'x'.repeat(100_000)},zh`)).toBe('en')
  })
})

/** Attributes that people read or hear. */
const SPOKEN = new Set(['aria-label', 'title', 'alt', 'placeholder', 'label'])

/** Words that stand in a file of pages itself instead of the language table. */
function literalText(path: string): string[] {
  const source = ts.createSourceFile(
    path,
    readFileSync(new URL(path, here), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
    ts.ScriptKind.TSX,
  )
  const found: string[] = []
  const note = (text: string) => {
    if (/\p{L}/u.test(text)) found.push(`${path}: ${text.trim()}`)
  }
  const literals = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) note(node.text)
    // What stands in a call or a comparison is not shown.
    if (ts.isConditionalExpression(node)) {
      literals(node.whenTrue)
      literals(node.whenFalse)
    }
    if (ts.isTemplateExpression(node)) {
      for (const part of [node.head, ...node.templateSpans.map(span => span.literal)]) note(part.text)
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node)) note(node.text)
    if (ts.isJsxExpression(node) && node.expression && !ts.isJsxAttribute(node.parent))
      literals(node.expression)
    if (ts.isJsxAttribute(node) && SPOKEN.has(node.name.getText()) && node.initializer) {
      if (ts.isStringLiteral(node.initializer)) note(node.initializer.text)
      else if (ts.isJsxExpression(node.initializer) && node.initializer.expression) {
        literals(node.initializer.expression)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

describe('pages', () => {
  test('hold no text of their own', () => {
    const files = readdirSync(here, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith('.tsx'),
    )
    expect(files.length).toBeGreaterThan(20)
    expect(files.flatMap(literalText)).toEqual([])
  })
})
