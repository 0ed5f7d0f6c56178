// What a deployment adds to the lead agent: memory, skills and the tools of MCP servers. They read the database within runs,
// which an outage does not end: these reads wait it out.
import { resolve } from 'node:path'
import type { Logger } from '../core/logger.ts'
import type { McpSettings } from '../core/mcp-servers.ts'
import { Skills } from '../core/skills.ts'
import { type Database, patient } from '../db/database.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import { FactExtraction } from './fact-extraction.ts'
import type { LeadAgentSlots } from './lead-agent.ts'
import { Mcp, mcpMiddleware } from './mcp.ts'
import { memoryMiddleware } from './memory.ts'
import type { Models } from './run-model.ts'
import { skillsMiddleware } from './skills.ts'

export interface Extensions {
  middlewares: Pick<LeadAgentSlots, 'memory' | 'skills' | 'mcp'>
  /** For who shows and changes them. */
  skills: Skills
  mcp: McpSettings
  close(): Promise<void>
}

/** `folder` is what paths in the configuration are relative to, and where commands of MCP servers run. */
export function extensionsOf(parts: {
  db: Database
  config: AgentConfig & { folder: string }
  models: Models
  logger: Logger
}): Extensions {
  const { db, config, models, logger } = parts
  const { memory, skills, folder } = config
  const closing = new AbortController()
  const lasting = patient(db, closing.signal)
  const settings = { file: config.mcp_servers, commands: config.mcp_commands_by_api }
  const mcp = new Mcp({ db: lasting, settings, folder, logger })
  const extraction = memory.extraction_enabled ? new FactExtraction({ db, models, config: memory, logger }) : undefined
  const skillsIn = (database: Database) => new Skills({ db: database, folder: resolve(folder, skills.path), logger })
  return {
    middlewares: {
      memory: memory.enabled ? memoryMiddleware({ db: lasting, config: memory, extraction }) : undefined,
      skills: skills.enabled ? skillsMiddleware(skillsIn(lasting)) : undefined,
      mcp: mcpMiddleware(mcp),
    },
    skills: skillsIn(db),
    mcp: settings,
    async close() {
      closing.abort()
      await extraction?.close()
      await mcp.close()
    },
  }
}
