// `runloom/client`: what browsers and other programs talk to workflow runs with.

export type {
  AcceptedResults,
  CanceledRun,
  CompiledWorkflow,
  CreatedWorkflowRun,
  ListedWorkflowRun,
  PendingTools,
  WorkflowRun,
} from '../protocol/workflow-answers.ts'
export type { WorkflowEvent, WorkflowEventType } from '../protocol/workflow-events.ts'
export type { WorkflowRunStatus } from '../protocol/workflow-runs.ts'
export { chain, llm, mapItem, parallel, WorkflowBuilder, type WorkflowFields, workflow } from './builder.ts'
export {
  ApiError,
  type SpecIssue,
  StreamProtocolError,
  TransportError,
  type TransportErrorKind,
  ValidationError,
} from './errors.ts'
export type { WorkflowEventStream } from './events.ts'
export type { ClientOptions } from './http.ts'
export type { RunOptions } from './run-options.ts'
export { type Tool, ToolRunner, tool } from './tool-runner.ts'
export { type ToolResults, type Workflow, WorkflowRunsClient } from './workflow-runs.ts'
