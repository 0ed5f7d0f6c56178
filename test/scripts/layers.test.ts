import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { violations } from '../../scripts/layers.ts'

describe('the layer check', () => {
  const folders: string[] = []
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true })
  })

  /** What the check says about a src/ of these files. */
  function found(files: Record<string, string>): string[] {
    const folder = mkdtempSync(join(tmpdir(), 'runloom-layers-'))
    folders.push(folder)
    for (const [name, source] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'src', name)), { recursive: true })
      writeFileSync(join(folder, 'src', name), source)
    }
    return violations(join(folder, 'src'))
  }

  test('accepts imports to the left, within a layer, and of free packages', () => {
    const files = {
      'protocol/run.ts': "import { z } from 'zod'\n",
      'db/postgres.ts': "import pg from 'pg'\nimport { readFile } from 'node:fs/promises'\n",
      'events/bus.ts': "import { Redis } from 'ioredis'\nimport type { Database } from '../db/postgres.ts'\n",
      'core/runs.ts':
        "import sql from 'sql-template-tag'\nimport { append } from '../events/bus.ts'\nimport './worker.ts'\n",
      'core/worker.ts': "import { claim } from './runs.ts'\n",
      'graph/executor.ts': "import { Command } from '@langchain/langgraph'\nimport { claim } from '../core/runs.ts'\n",
      'http/app.ts': "import { Hono } from 'hono'\nimport type { Config } from '../config.ts'\n",
      'config.ts': 'export const port = process.env.PORT\n',
      'runtime.ts': "import { app } from './http/app.ts'\nimport { serve } from '@hono/node-server'\n",
      'client/workflows.ts': "import type { Run } from '../protocol/run.ts'\n",
      'client/embedded.ts':
        "import { Client } from '@langchain/langgraph-sdk'\nimport { start } from '../runtime.ts'\n",
      'cli/serve.ts': "import { start } from '../runtime.ts'\n",
      'cli.ts': "import { serve } from './cli/serve.ts'\nserve(process.env)\n",
    }
    assert.deepEqual(found(files), [])
  })

  test('names file, line, import and what is allowed', () => {
    assert.deepEqual(found({ 'events/bus.ts': "// The bus.\nimport { runs } from '../core/runs.ts'\n" }), [
      'src/events/bus.ts:2 imports src/core/runs.ts; events may import db',
    ])
    assert.deepEqual(found({ 'core/runs.ts': "import { Hono } from 'hono'\n" }), [
      'src/core/runs.ts:1 imports hono; only http, client, runtime.ts, cli may',
    ])
  })

  const wrong: [what: string, file: string, source: string][] = [
    ['db importing ours', 'db/database.ts', "import { Run } from '../protocol/run.ts'"],
    ['protocol importing a built-in module', 'protocol/run.ts', "import { randomUUID } from 'node:crypto'"],
    ['the client importing a built-in module', 'client/http.ts', "import { setTimeout } from 'node:timers/promises'"],
    ['a type import', 'core/runs.ts', "import type { App } from '../http/app.ts'"],
    ['a type imported in place', 'core/runs.ts', "export type App = import('../http/app.ts').App"],
    ['a re-export', 'core/runs.ts', "export * from '../http/app.ts'"],
    ['a side-effect import', 'core/runs.ts', "import '../http/app.ts'"],
    ['a lazy import', 'core/runs.ts', "const app = await import('../http/app.ts')"],
    ['an import over several lines', 'core/runs.ts', "import {\n  type App,\n  app,\n} from '../http/app.ts'"],
    ['graph importing workflow', 'graph/executor.ts', "import { compile } from '../workflow/compile.ts'"],
    ['agent importing graph', 'agent/agent.ts', "import { load } from '../graph/load.ts'"],
    ['http importing a value of config', 'http/app.ts', "import { read } from '../config.ts'"],
    ['http importing the runtime', 'http/app.ts', "import { start } from '../runtime.ts'"],
    [
      'the workflow client importing the embedded one',
      'client/workflows.ts',
      "import { Engine } from './embedded-engine.ts'",
    ],
    ['the workflow client importing the runtime', 'client/workflows.ts', "import { start } from '../runtime.ts'"],
    ['langchain in core', 'core/runs.ts', "import { BaseMessage } from '@langchain/core/messages'"],
    ['pg outside db', 'events/bus.ts', "import { Client } from 'pg'"],
    ['node:sqlite outside db', 'core/runs.ts', "import { DatabaseSync } from 'node:sqlite'"],
    ['Redis outside events', 'runtime.ts', "import { Redis } from 'ioredis'"],
    ['process.env', 'core/runs.ts', 'const url = process.env.DATABASE_URL'],
    ['process.env inside a template', 'core/runs.ts', `const url = \`at \${process.env.HOST}\``],
    ['process.env by import', 'core/runs.ts', "import { env } from 'node:process'"],
    ['a reminder', 'core/runs.ts', '// TODO: claim'],
    ['a long file', 'core/runs.ts', 'claim()\n'.repeat(401)],
    ['a vague file name', 'core/utils.ts', ''],
    ['a vague folder', 'core/helpers/claim.ts', ''],
    ['a vague word in a name', 'core/run-manager.ts', ''],
    ['a folder of types', 'types/run.ts', ''],
    ['a barrel', 'core/index.ts', ''],
    ['an unknown layer', 'queue/claim.ts', ''],
  ]
  for (const [what, file, source] of wrong)
    test(`refuses ${what}`, () => assert.ok(found({ [file]: source }).length > 0))

  test('reads code only', () => {
    const source = [
      "/* import { a } from '../http/app.ts' and process.env */",
      "// import('hono'), it's said",
      'const template = `',
      "import { Hono } from 'hono'",
      '`',
      "const words = 'set process.env'.replace(/[\"'`]/g, '')",
      'claim()\n'.repeat(390),
    ]
    assert.deepEqual(found({ 'core/runs.ts': source.join('\n') }), [])
  })
})
