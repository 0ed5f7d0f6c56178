// Model calls that fail: tried again where that may help, then told in a sentence that names the model and what to do.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { RunnableBinding } from '@langchain/core/runnables'
import { type AgentMiddleware, createMiddleware, MiddlewareError, modelRetryMiddleware } from 'langchain'
import { RunloomError } from '../core/errors.ts'

/** What a run ends with when its model does not answer. */
class ModelError extends Error {
  override name = 'ModelError'
}

/** A model that has said nothing for too long. */
class Silence extends Error {
  override name = 'Silence'
}

/** Where a provider's own pause is not said: the first, doubled with every further failure. */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 60_000

/** Tries again after rate limits, failures of the provider or the network, and silence. */
export function modelRetry(retries: number) {
  const retry = modelRetryMiddleware({
    maxRetries: retries,
    initialDelayMs: FIRST_PAUSE_MS,
    retryOn: mayPass,
    onFailure: 'error',
  })
  const retrying = wrapperOf(retry)
  return createMiddleware({
    name: 'ModelRetry',
    wrapModelCall: async (request, handler) => {
      const { signal } = request.runtime
      try {
        return await retrying(request, async attempt => {
          try {
            return await handler(attempt)
          } catch (error) {
            throw withPause(rootOf(error))
          }
        })
      } catch (error) {
        if (signal?.aborted || !isOfModel(error)) throw error
        throw new ModelError(describe(error, nameOf(request.model as BaseChatModel), retries), { cause: error })
      }
    },
  })
}

/** Ends a call whose model has said nothing for so long, neither its first token nor its next. */
export function modelSilence(limit_ms: number) {
  return createMiddleware({
    name: 'ModelSilence',
    wrapModelCall: async (request, handler) => {
      const silence = new AbortController()
      const timer = setTimeout(() => silence.abort(new Silence(`it was silent for ${limit_ms / 1000} s`)), limit_ms)
      const callbacks = [{ handleLLMNewToken: () => void timer.refresh() }]
      // Not through `modelSettings`: classes that bind options to themselves drop both.
      const config = { callbacks, signal: silence.signal }
      const model = new RunnableBinding({ bound: request.model as BaseChatModel, config, kwargs: {} })
      try {
        return await handler({ ...request, model })
      } catch (error) {
        throw silence.signal.aborted ? silence.signal.reason : error
      } finally {
        clearTimeout(timer)
      }
    },
  })
}

/** The library declares its wrapper as optional, for middlewares in general. */
function wrapperOf({ wrapModelCall }: AgentMiddleware) {
  if (!wrapModelCall) throw new Error('the middleware wraps no model call')
  return wrapModelCall
}

/** What went wrong, below what every middleware on the way wraps around it. */
function rootOf(error: unknown): Error {
  if (MiddlewareError.isInstance(error) && error.cause !== undefined) return rootOf(error.cause)
  return error instanceof Error ? error : new Error(String(error))
}

/** With the pause that the provider asks for, where the library looks for it. */
function withPause(error: Error): Error {
  const { headers } = error as { headers?: unknown }
  if (!(headers instanceof Headers)) return error
  const ms = Number(headers.get('retry-after-ms') ?? Number.NaN)
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const asked = Number.isFinite(ms) ? ms : seconds * 1000
  return Number.isFinite(asked) ? Object.assign(error, { retryAfterMs: Math.min(asked, LONGEST_PAUSE_MS) }) : error
}

function statusOf(error: unknown): number | undefined {
  const { status } = error as { status?: unknown }
  return typeof status === 'number' ? status : undefined
}

const NETWORK = /ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|socket|terminated|fetch failed|connection error|timed? ?out/i

function isNetwork(error: Error): boolean {
  const { code } = error as { code?: unknown }
  return NETWORK.test(`${error.name} ${String(code)} ${error.message}`)
}

function mayPass(error: Error): boolean {
  const status = statusOf(error)
  if (status !== undefined) return status === 408 || status === 409 || status === 429 || status >= 500
  return error instanceof Silence || isNetwork(error)
}

/** Not one of ours, and not a fault of a middleware. */
function isOfModel(error: unknown): error is Error {
  if (error instanceof TypeError) return isNetwork(error) || (error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL'
  return error instanceof Error && !(error instanceof RunloomError)
}

function describe(error: Error, model: string, retries: number): string {
  const status = statusOf(error)
  const tries = mayPass(error) && retries > 0 ? `, ${retries + 1} times` : ''
  const said = status === undefined ? `did not answer${tries}` : `answered with HTTP ${status}${tries}`
  return `The model "${model}" ${said}${reasonOf(error, status)}. ${remedy(error, status)}`
}

function remedy(error: Error, status: number | undefined): string {
  if (status === 401 || status === 403) return 'Check the API key of its provider, and what that key may use'
  if (status === 404) return 'Check the name of the model and its base URL'
  if (status === 429) return 'Wait a while, raise the limit at the provider, or choose another model'
  if (status === 400 || status === 413 || status === 422) return 'Check its settings, or shorten the conversation'
  if (error instanceof Silence || status !== undefined) return 'Try again, or choose another model'
  return 'Check its base URL and the network'
}

/** The provider's first line, unless it speaks of the key. */
function reasonOf(error: Error, status: number | undefined): string {
  if (status === 401 || status === 403) return ''
  const [line = ''] = error.message.replace(/^\d{3}\s+/, '').split('\n')
  const safe = line.trim().slice(0, 300).replace(SECRET, '[…]').replace(/\.$/, '')
  return safe === '' ? '' : `: ${safe}`
}

/** Keys as providers write them, and whatever looks like one. */
const SECRET = /\b(?:sk|pk|rk|gsk|xai|key)[-_][\w*.-]{6,}|\bbearer\s+\S+|\b(?=\w*\d)(?=\w*[a-z])\w{32,}\b/gi

/** As the provider calls it. */
export function nameOf(model: BaseChatModel): string {
  const { model: name, modelName } = model as { model?: unknown; modelName?: unknown }
  return [name, modelName].find(name => typeof name === 'string') ?? model._llmType()
}
