#!/usr/bin/env node
// The program is TypeScript and runs as it is: there is no build step.
import { register } from 'tsx/esm/api'

register()
const { main } = await import('./main.ts')
process.exitCode = await main(process.argv)
