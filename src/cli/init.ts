// `runloom init [folder]`: a project that runs as it is. It never writes over a file.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { ConfigError } from '../config.ts'
import { yamlExample } from './yaml-example.ts'

const GRAPH = `// A graph of one step. Its state is a conversation; what the step returns is added to it.
import { AIMessage } from '@langchain/core/messages'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'

export const graph = new StateGraph(MessagesAnnotation)
  .addNode('greet', ({ messages }) => ({
    messages: [new AIMessage(\`Hello! You said: \${messages.at(-1)?.text}\`)],
  }))
  .addEdge(START, 'greet')
  .compile()
`

const ENV = `# Keys of models, for \`api_key: $OPENAI_API_KEY\` in runloom.yaml. This file is not for git; .env.example is.
# OPENAI_API_KEY=
# ANTHROPIC_API_KEY=

# Without DATABASE_URL everything is in .runloom/.
# DATABASE_URL=postgres://user@host/name

# Who may come in; runloom keys create prints what to write here.
# RUNLOOM_API_KEYS=
`

const GRAPHS = `graphs:
  hello: ./graphs/hello.ts:graph`

/** Writes the files, and says what to do next. Throws a ConfigError that names those that are there already. */
export function init(given = '.'): void {
  const folder = resolve(given)
  const files: Record<string, string> = {
    'runloom.yaml': yamlExample({ graphs: GRAPHS, env: 'env: .env' }),
    'graphs/hello.ts': GRAPH,
    'package.json': `${JSON.stringify(packageJson(basename(folder)), undefined, 2)}\n`,
    '.gitignore': 'node_modules/\n.runloom/\n.env\n',
    '.env.example': ENV,
    '.env': ENV,
  }
  const names = [...Object.keys(files), 'langgraph.json']
  const there = names.filter(name => existsSync(join(folder, name)))
  if (there.length > 0) {
    const verb = there.length === 1 ? 'is' : 'are'
    throw new ConfigError(
      `runloom init: ${there.join(', ')} ${verb} there already, so nothing was written; choose another folder: runloom init <folder>`,
    )
  }
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: 'wx' })
  }
  const place = relative('', folder)
  const enter = place === '' ? '' : `cd ${place} && `
  process.stdout.write(`Wrote ${Object.keys(files).join(', ')}

  ${enter}npm install
  npm run dev

Models, tools and everything else are in runloom.yaml, as comments. npm run doctor says whether all is well.
`)
}

/** With the versions that this package has itself. */
function packageJson(folder: string) {
  const own = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
    engines: object
    dependencies: Record<string, string>
  }
  const packages = ['@langchain/core', '@langchain/langgraph'].map(name => [name, own.dependencies[name]])
  return {
    name:
      folder
        .toLowerCase()
        .replace(/[^a-z0-9._-]+/g, '-')
        .replace(/^[._-]+/, '') || 'my-agents',
    private: true,
    type: 'module',
    engines: own.engines,
    scripts: { dev: 'runloom dev', start: 'runloom serve', doctor: 'runloom doctor' },
    dependencies: { ...Object.fromEntries(packages), runloom: own.version },
  }
}
