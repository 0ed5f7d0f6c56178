#!/usr/bin/env node
// The installed `runloom`. An older Node could not even load the command line, so it is asked first.
import { readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const needed = engines.node.replace('>=', '')
if (process.versions.node.localeCompare(needed, 'en', { numeric: true }) < 0) {
  process.stderr.write(`Runloom needs Node ${needed} or newer; this is ${process.versions.node}\n`)
  process.exit(1)
}
await import('./cli.ts')
