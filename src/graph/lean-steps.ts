// What LangChain does anew for every step of a graph, without what nobody needs of it; loading this module does it for the
// process. A step's config travels in an AsyncLocalStorage, inside a RunTree of LangSmith's: a new one for each step, with
// ids and look-ups in the environment, though nothing is traced. And a step copies its callback manager several times, all
// the metadata once more for each of its keys. What is done here has the same outcome; it was a third of a step's time.
import { CallbackManager, type Callbacks } from '@langchain/core/callbacks/manager'
import { AsyncLocalStorageProviderSingleton as contexts } from '@langchain/core/singletons'

/** Where LangChain looks for the config of the step that it is in, and for what `setContextVariable` was given. */
const CONFIG = Symbol.for('lc:child_config')
const VARIABLES = Symbol.for('lc:context_variables')

interface Context {
  extra?: Record<symbol, unknown>
  [VARIABLES]?: unknown
}

const runTraced = contexts.runWithConfig.bind(contexts)
/** The RunTree of a step that is not traced. */
let untraced: Context | undefined

contexts.runWithConfig = (config, callback, withoutTree) => {
  if (withoutTree || isTraced(config)) return runTraced(config, callback, withoutTree)
  const storage = contexts.getInstance()
  untraced ??= runTraced(undefined, () => storage.getStore()) as Context
  const { [VARIABLES]: variables } = (storage.getStore() ?? {}) as Context
  const context: Context = Object.assign(Object.create(Object.getPrototypeOf(untraced)), untraced)
  context.extra = { ...untraced.extra, [CONFIG]: config }
  if (variables !== undefined) context[VARIABLES] = variables
  return storage.run(context, callback)
}

CallbackManager.prototype.copy = function (this: CallbackManager, added = [], inherit = true) {
  const { _parentRunId, handlers, inheritableHandlers, tags, inheritableTags, metadata, inheritableMetadata } = this
  const copy = new CallbackManager(_parentRunId, {
    handlers: [...handlers],
    inheritableHandlers: handlers.filter(handler => inheritableHandlers.includes(handler)),
    tags: [...tags],
    inheritableTags: tags.filter(tag => inheritableTags.includes(tag)),
    metadata: { ...metadata },
    inheritableMetadata: Object.fromEntries(Object.keys(inheritableMetadata).map(key => [key, metadata[key]])),
  })
  const logged = handlers.some(handler => handler.name === CONSOLE)
  for (const handler of added) if (!(logged && handler.name === CONSOLE)) copy.addHandler(handler, inherit)
  return copy
}

/** The handler of which a manager has one at most. */
const CONSOLE = 'console_callback_handler'

/** A manager that was asked for without any handlers has LangSmith's where the environment turns tracing on. */
let tracing: boolean | undefined

/** By the environment for all runs, or by a tracer among the callbacks of one. */
function isTraced(config: { callbacks?: Callbacks } | undefined): boolean {
  tracing ??= hasTracer(CallbackManager.configure())
  return tracing || hasTracer(config?.callbacks)
}

function hasTracer(callbacks: Callbacks | undefined): boolean {
  const handlers = Array.isArray(callbacks) ? callbacks : callbacks?.handlers
  return handlers?.some(handler => 'name' in handler && handler.name === 'langchain_tracer') === true
}
