// In the place of `langsmith`, which the SDK brings along with LangChain's messages: a third of the scripts, and nothing in a
// page traces anything. vite.config.ts puts it there.
export class Client {}
export class RunTree {}
export const isRunTree = () => false
export const getCurrentRunTree = () => undefined
export const getDefaultProjectName = () => 'default'
export const convertToDottedOrderFormat = () => ({})
export const isTraceableFunction = () => false
