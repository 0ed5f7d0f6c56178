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

/** The commands, and how many words each takes. */
const COMMANDS = new Map([
  ['dev', 0],
  ['serve', 0],
  ['worker', 0],
  ['init', 1],
  ['doctor', 0],
  ['migrate', 0],
  ['inspect', 1],
  ['keys', 2],
])

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
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
    },
  })
  const [command, subject, name] = positionals
  if (values.help || !command) return void process.stdout.write(USAGE)
  const words = COMMANDS.get(command)
  if (words === undefined)
    throw new ConfigError(`runloom ${command}: there is no such command; runloom --help lists them`)
  const unexpected = positionals[words + 1]
  if (unexpected !== undefined)
    throw new ConfigError(
      `runloom ${command}: "${unexpected}" is not expected; after npm start options need --, see runloom --help`,
    )
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
  return inspect(config, subject, values.follow ?? false)
}

/** Errors whose message was not written for the operator: they come with their stack. */
const BUGS = ['TypeError', 'ReferenceError', 'RangeError', 'AssertionError']

/** What somebody is told who started it: one line where it is about what they wrote. */
function told(error: NodeJS.ErrnoException): string | undefined {
  if (error.code?.startsWith('ERR_PARSE_ARGS')) return `${error.message.split(/\.\s/)[0]}; see runloom --help`
  return BUGS.includes(error.name) ? error.stack : error.message
}

main().catch((error: Error) => {
  process.stderr.write(`${told(error)}\n`)
  process.exit(1)
})
