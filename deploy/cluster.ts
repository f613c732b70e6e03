import { type ClusterLayout, clusterStatements } from '../schema/cluster.ts'
import type { Sql } from '../schema/ports.ts'
import type { SqlClient } from './sql.ts'

/**
 * A client that speaks to a cluster as if it were one server: what makes and changes tables is written for all of it.
 * @param nodes every server of it, where the servers do not pass such statements on themselves.
 */
export function onCluster(sql: SqlClient, layout: ClusterLayout, nodes: readonly Sql[] = []): SqlClient {
  return {
    ...sql,
    async command(statement, params) {
      const statements = clusterStatements(statement, layout)
      const stays = statements.length === 1 && statements[0] === statement
      // Insertions, and views of outsiders where each server needs its own.
      const everywhere = !layout.onCluster && (!stays || /^\s*(CREATE|ALTER|DROP)\b/.test(statement))
      for (const one of statements) {
        for (const target of everywhere ? nodes : [sql]) await target.command(one, params)
      }
    },
  }
}
