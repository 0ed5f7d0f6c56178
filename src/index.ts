// What the package exports: a server to start inside another program. The command line is `runloom`.
export { type Config, ConfigError, readConfig } from './config.ts'
export type { Logger } from './core/logger.ts'
export { type Runtime, type RuntimeOptions, startRuntime } from './runtime.ts'
