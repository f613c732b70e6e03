#!/usr/bin/env node
// The program is TypeScript and runs as it is: there is no build step. Pages need the options of our tsconfig, wherever
// the program is started.
import { fileURLToPath } from 'node:url'
import { register } from 'tsx/esm/api'

register({ tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)) })
const { main } = await import('./main.ts')
process.exitCode = await main(process.argv)
// What is done ends, though a library left something open: consumers of kafkajs were seen never to end after all brokers
// had been away.
setTimeout(() => process.exit(), 3_000).unref()
