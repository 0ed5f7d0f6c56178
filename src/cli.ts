// The command line: dev, serve, worker, init, doctor, migrate, inspect, keys. The only place that prints for people.
import { parseArgs } from 'node:util'
import { doctor } from './cli/doctor.ts'
import { init } from './cli/init.ts'
import { inspect } from './cli/inspect.ts'
import { keys } from './cli/keys.ts'
import { migrateOnly } from './cli/migrate.ts'
import { serve } from './cli/serve.ts'
import { ConfigError, publishEnvironment, readConfig } from './config.ts'

const USAGE = `Usage: runloom <command> [options]

  dev                 serve; take the next free port if the port is taken; restart when a graph or the config changes
  serve               serve, in production
  worker              execute runs of a shared Postgres without serving HTTP
  init [folder]       write a project: runloom.yaml with every key and its default, a graph, what npm and git need
  doctor              say what would stand in the way of a start; --online: ask the models and MCP servers, too
  migrate             bring the database's schema up to date
  inspect <run_id>    print a run's events as a timeline; --follow: until it has ended
  keys create [name]  print a new API key and what to set for it; --scopes runs:create,runs:read: it may do only that;
                      --owner team-a: it sees what the keys of team-a have made, and nothing else

  --port <number>         2024, or PORT
  --host <address>        127.0.0.1, or RUNLOOM_HOST
  --insecure              listen beyond this machine although nobody has to say who they are
  --config <file>         runloom.yaml and langgraph.json, if there are such; the one that is named, and the other beside it
  --data <folder>         .runloom: where the embedded database is
  --concurrency <number>  500: runs executed at once

  DATABASE_URL=sqlite:<path>|postgres://…   RUNLOOM_MODEL=<provider>:<name>
`

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  config: { type: 'string' },
  data: { type: 'string' },
  concurrency: { type: 'string' },
  follow: { type: 'boolean' },
  insecure: { type: 'boolean' },
  owner: { type: 'string' },
  online: { type: 'boolean' },
  scopes: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/** What was typed; Node's errors about it are a sentence and advice that does not fit here. */
function typed() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS })
  } catch (cause) {
    const [problem] = (cause as Error).message.split(/\.?(?:\s*\n|\s+To specify|$)/)
    throw new ConfigError(`${problem}; runloom --help lists the options`, { cause })
  }
}

async function main(): Promise<void> {
  const { values, positionals } = typed()
  const [command, subject, name] = positionals
  if (values.help || !command) return void process.stdout.write(USAGE)
  if (command === 'init') return init(subject)
  if (command === 'doctor') process.exit((await doctor(values, { online: values.online ?? false })) ? 0 : 1)
  if (command === 'keys') return keys(subject, name, values)
  const inherited = { ...process.env }
  const config = await readConfig({ argv: values })
  publishEnvironment(config)
  for (const warning of config.warnings) process.stderr.write(`${warning}\n`)
  if (command === 'dev' || command === 'serve' || command === 'worker') {
    return serve(config, command, { inherited, insecure: values.insecure ?? false, argv: values })
  }
  if (command === 'migrate') return migrateOnly(config)
  if (command === 'inspect') return inspect(config, subject, values.follow ?? false)
  throw new ConfigError(`runloom ${command}: there is no such command; runloom --help lists them`)
}

/** Errors whose message was not written for the operator: they come with their stack. */
const BUGS = ['TypeError', 'ReferenceError', 'RangeError', 'AssertionError']

main().catch((error: Error) => {
  process.stderr.write(`${BUGS.includes(error.name) ? error.stack : error.message}\n`)
  process.exit(1)
})
