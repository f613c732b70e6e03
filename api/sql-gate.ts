import { AppError } from '../schema/errors.ts'
import type { Sql } from '../schema/ports.ts'

/** An outsider's statement that is not passed on to the store. */
export class StatementRefusedError extends AppError {
  constructor(message: string, hint?: string) {
    super('STATEMENT_REFUSED', message, hint === undefined ? {} : { hint })
  }
}

const STRING_LITERAL = /'(?:[^'\\]|\\.|'')*'/g
const FILE_WORD = /(^|[^A-Za-z0-9_])file([^A-Za-z0-9_]|$)/i

/**
 * Lets a statement of an outsider through unless it names the function `file`. In the embedded engine that function
 * asks neither grants nor paths, in all its disguises (quoted, escaped, passed to `arrayMap`, `APPLY file`); all else is
 * refused by the reader's rights. The store's own formatter undoes every disguise: comments go, escapes are resolved.
 * A column named `file` is refused with it.
 * @throws StatementRefusedError
 */
export async function admitStatement(sql: Sql, statement: string): Promise<void> {
  let formatted: string | undefined
  try {
    const rows = await sql.rows<{ text: string }>(
      'SELECT formatQuerySingleLine({statement:String}) AS text',
      { statement },
    )
    formatted = rows[0]?.text
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new StatementRefusedError(`the statement cannot be read: ${reason}`)
  }
  if (formatted === undefined || FILE_WORD.test(formatted.replace(STRING_LITERAL, "''"))) {
    throw new StatementRefusedError(
      'the name `file` is not allowed in a statement',
      'name the column differently in a subquery',
    )
  }
}
