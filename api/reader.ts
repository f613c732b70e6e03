import type { Sql, SqlParams } from '../schema/ports.ts'

/** Reads the store: what every query of the API goes through. */
export interface Reader {
  rows<Row>(sql: string, params?: SqlParams): Promise<Row[]>
}

export interface ReaderOptions {
  /** After this many seconds the store gives a statement up. */
  maxSeconds: number
  /** Told of every statement when it ends. */
  onStatement?: (seconds: number, failed: boolean) => void
}

export function createReader(sql: Sql, { maxSeconds, onStatement }: ReaderOptions): Reader {
  return {
    async rows<Row>(statement: string, params?: SqlParams): Promise<Row[]> {
      const startedAt = performance.now()
      let failed = true
      try {
        const rows = await sql.rows<Row>(`${statement}\nSETTINGS max_execution_time = ${maxSeconds}`, params)
        failed = false
        return rows
      } finally {
        onStatement?.((performance.now() - startedAt) / 1000, failed)
      }
    },
  }
}
