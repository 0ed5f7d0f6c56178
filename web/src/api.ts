// How the page talks to its server: the official SDK where it has a call, `request` for the rest. The API is one folder up
// from the page, wherever that is. The key is kept for this tab's session alone.
import { Client } from '@langchain/langgraph-sdk/client'
import { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'

/** Where the page is, as `/ui/`. */
export const PAGE_PATH = new URL(document.baseURI).pathname
/** Where the API is, without a slash at the end. */
export const API = new URL('..', document.baseURI).href.replace(/\/$/, '')

const KEY = 'runloom:key'
const watchers = new Set<() => void>()

/** Keeps another key, or none; what was fetched with the old one is forgotten. */
export function setKey(key: string): void {
  if (key) sessionStorage.setItem(KEY, key)
  else sessionStorage.removeItem(KEY)
  client = clientWith({})
  queries.clear()
  for (const tell of watchers) tell()
}

export function currentKey(): string {
  return sessionStorage.getItem(KEY) ?? ''
}

function headers(): Record<string, string> {
  const key = currentKey()
  return key ? { 'x-api-key': key } : {}
}

/** A client with the key as it is now, whose requests are made in another way. */
export function clientWith(callerOptions: { fetch?: typeof fetch }): Client {
  return new Client({
    apiUrl: API,
    apiKey: null,
    defaultHeaders: headers(),
    callerOptions: { maxRetries: 1, ...callerOptions },
  })
}

let client = clientWith({})

/** The SDK's client, with the key as it is now. Components take `useClient`. */
export function currentClient(): Client {
  return client
}

/** The SDK's client; another one when the key changes. */
export function useClient(): Client {
  return useSyncExternalStore(watch, currentClient)
}

function watch(tell: () => void): () => void {
  watchers.add(tell)
  return () => watchers.delete(tell)
}

/** What the server refused: its words, its status, and the id under which its log has the request. */
export class ApiError extends Error {
  readonly status: number
  readonly request_id: string | undefined
  constructor(status: number, message: string, request_id: string | undefined) {
    super(message)
    this.status = status
    this.request_id = request_id
  }
}

/** Calls a route that the SDK does not have: `request('/api/models')`. A `json` is sent as the body. */
export async function request<T>(path: string, init: RequestInit & { json?: unknown } = {}): Promise<T> {
  const { json, ...rest } = init
  const body = json === undefined ? {} : { body: JSON.stringify(json) }
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(`${API}${path}`, {
    ...rest,
    ...body,
    headers: { ...headers(), ...type, ...rest.headers },
  })
  const text = await response.text()
  if (!response.ok)
    throw new ApiError(response.status, wordsIn(text), response.headers.get('x-request-id') ?? undefined)
  return (text ? JSON.parse(text) : undefined) as T
}

/** What an error's body says: `detail` as a text or a list, `message`, or itself. */
function wordsIn(text: string): string {
  try {
    const { detail, message } = JSON.parse(text) as { detail?: string | { msg: string }[]; message?: string }
    if (Array.isArray(detail)) return detail.map(({ msg }) => msg).join('; ')
    return detail ?? message ?? text
  } catch {
    return text
  }
}

/** Any error as one of ours: of the SDK, of the client of workflows, of the network, of the page. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { status, text, response, message, requestId } = error as Partial<{
    status: number
    requestId: string
    text: string
    response: Response
    message: string
  }>
  if (typeof status === 'number') {
    return new ApiError(
      status,
      wordsIn(text ?? message ?? ''),
      requestId ?? response?.headers.get('x-request-id') ?? undefined,
    )
  }
  const offline = /failed to fetch|networkerror|load failed|unable to connect|reconnection attempts/i.test(
    message ?? '',
  )
  return new ApiError(0, offline ? 'The server cannot be reached' : (message ?? String(error)), undefined)
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => asApiError(error).status === 0 && count < 2,
    },
  },
})
