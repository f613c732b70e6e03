import { StatementRefusedError } from './sql-refusal.ts'

/**
 * The store's own formatter (`formatQuerySingleLine`): resolves escapes, drops comments, writes names plainly or in
 * backticks and strings in single quotes. Throws when the store cannot parse the statement.
 */
export type FormatStatement = (statement: string) => Promise<string>

/** Values of `{name:Type}` placeholders, by name. */
export type StatementParams = ReadonlyMap<string, string>

/** Only statements that read. A user who may only read is refused the others anyway; here they do not even arrive. */
const READS = /^(SELECT|WITH|SHOW|DESCRIBE|EXISTS|EXPLAIN|\()/

/**
 * Functions that ask no grant and tell what is no outsider's business: files (in the embedded engine `file` asks neither
 * grants nor paths), the machine, the store's ports and settings, its symbols; and one that writes into the log.
 */
const FORBIDDEN =
  /(?:^|[^A-Za-z0-9_])(file|filesystem[a-z]+|get(?:ServerSetting|ServerPort|ClientHTTPHeader|Macro|OSKernelVersion)|tcpPort|(?:full)?hostname|fqdn|serverUUID|buildId|addressTo[a-z]+|catboostEvaluate|showCertificate|logTrace)(?![A-Za-z0-9_])/i

/**
 * Strings and quoted names of a formatted statement, from left to right: a quote within the other kind opens nothing.
 * Strings are dropped; what stands in a quoted name is looked at.
 */
const QUOTED = /'(?:[^'\\]|\\[\s\S]|'')*'|`((?:[^`\\]|\\[\s\S]|``)*)`|"((?:[^"\\]|\\[\s\S]|"")*)"/g

/**
 * The formatter writes keywords in capitals. In a subquery the store takes settings without asking for rights
 * (`readonly = 0` included), so no statement has any; the list that `SHOW SETTINGS` prints is another matter.
 */
const SETTINGS = /^(?!SHOW (?:CHANGED )?SETTINGS)[\s\S]*(?:^|[^A-Za-z0-9_.])SETTINGS(?![A-Za-z0-9_])/

const IDENTIFIER_PARAM = /\{([^{}:]+):\s*Identifier\s*\}/gi
const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/

/**
 * Lets a statement of an outsider through when it reads and names none of the forbidden functions, in whatever
 * disguise: quoted, escaped, passed to `arrayMap`, `APPLY file`, or as the value of an `{x:Identifier}`. All else is
 * the reader's grants' business. A column of such a name is refused with them.
 * @throws StatementRefusedError, and what `format` throws.
 */
export async function admitStatement(
  format: FormatStatement,
  statement: string,
  params: StatementParams = new Map(),
): Promise<void> {
  const formatted = await format(statement)
  if (!READS.test(formatted)) {
    throw new StatementRefusedError('READONLY', 'Cannot execute query in readonly mode', {
      hint: 'Expected SELECT, WITH, SHOW, DESCRIBE, EXISTS or EXPLAIN',
    })
  }
  const names = formatted.replace(
    QUOTED,
    (_, ticked: string | undefined, quoted: string | undefined) => ` ${ticked ?? quoted ?? "''"} `,
  )
  refuseForbidden(names)
  if (SETTINGS.test(formatted.replace(QUOTED, ' x '))) {
    throw new StatementRefusedError('READONLY', 'Cannot modify settings in readonly mode', {
      hint: 'Leave the SETTINGS clause out; a few can be given in the address',
    })
  }
  for (const [, name = ''] of formatted.matchAll(IDENTIFIER_PARAM)) {
    const value = params.get(name.trim())
    if (value === undefined) continue
    if (!PLAIN_NAME.test(value)) {
      throw new StatementRefusedError(
        'BAD_ARGUMENTS',
        `the value of {${name}:Identifier} must be a plain name, got ${JSON.stringify(value.slice(0, 100))}`,
      )
    }
    refuseForbidden(value)
  }
}

function refuseForbidden(text: string): void {
  const name = FORBIDDEN.exec(text)?.[1]
  if (name === undefined) return
  throw new StatementRefusedError('ACCESS_DENIED', `the name \`${name}\` is not allowed in a statement`, {
    hint: 'Functions of this name are closed; name a column differently in a subquery',
  })
}
