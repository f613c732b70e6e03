import { serve } from '@hono/node-server'
import pino from 'pino'
import { createAnnouncementHub } from '../../api/announcement-hub.ts'
import { createApi } from '../../api/server.ts'
import { withStore } from '../sql-session.ts'

/** Serves the API on the store of a data directory: `node --import tsx deploy/dev/serve-api.ts DIR [PORT]`. */
const [directory = './data', port = '8080'] = process.argv.slice(2)
const logger = pino(pino.destination(2))

await withStore({ dataDirectory: directory, clickhouse: null, file: null, logger }, async ({ sql }) => {
  const api = createApi({
    sql,
    status: { follows: () => [] },
    feed: createAnnouncementHub(),
    logger,
    version: 'development',
    desk: null,
    adminToken: null,
  })
  const server = serve({ fetch: api.app.fetch, port: Number(port), hostname: '127.0.0.1' })
  logger.info({ url: `http://127.0.0.1:${port}/graphql` }, 'serving')
  await new Promise(resolve => process.once('SIGINT', resolve).once('SIGTERM', resolve))
  server.close()
  await api.close()
})
