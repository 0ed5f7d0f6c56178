// What the package exports: the embedded client, and a server to start inside another program. The command line is
// `runloom`; `runloom/client` is for browsers.
export {
  type AgentOptions,
  type Answer,
  type MessageContent,
  RunloomClient,
  type RunloomClientOptions,
  type StreamOptions,
} from './client/embedded.ts'
export { RunFailed } from './client/embedded-run.ts'
export { type Config, ConfigError, readConfig } from './config.ts'
export { type ErrorCode, RunloomError } from './core/errors.ts'
export type { Logger } from './core/logger.ts'
export type { ClientEvent, StateMessage, ToolCall, Usage } from './protocol/client-events.ts'
export type { Checkpoint, ThreadList } from './protocol/client-threads.ts'
export { type Runtime, type RuntimeOptions, startRuntime } from './runtime.ts'
