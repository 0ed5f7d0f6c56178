// The `Auth` object of langgraph.json's `auth.path` (contracts: langgraph §13). It comes from the user's copy of the SDK, so
// nothing here asks `instanceof`.

import { RunloomError } from '../core/errors.ts'
import { errorFields, type Logger } from '../core/logger.ts'
import type { User } from '../core/users.ts'
import { SourceFiles } from '../graph/source-files.ts'
import { refuseForged } from './csrf.ts'

/** Says who sent a request. Throws when nobody known did. */
export type Authenticate = (request: Request) => Promise<User>

/** What handlers are asked: may this user do that with this? */
export interface Question {
  event: string
  resource: string
  action: string
  value: object
  user: User
  permissions: string[]
}

export type Handler = (question: Question) => unknown

export interface AuthFile {
  authenticate: Authenticate
  handlers: ReadonlyMap<string, Handler>
  /** The files it is made of. */
  files: string[]
}

/** An answer that a handler of the user's gave by throwing an `HTTPException`. */
export class Denial extends Error {
  override name = 'Denial'
  readonly status: number
  readonly headers: Record<string, string>

  constructor(status: number, message: string, headers: Record<string, string>) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** Loads it. Rejects with an Error that names the setting and the remedy. */
export async function loadAuthFile(
  { file, export: name }: { file: string; export: string },
  logger: Logger,
): Promise<AuthFile> {
  const sources = new SourceFiles()
  try {
    const found = (await sources.import(file))[name] as { '~handlerCache'?: HandlerCache } | undefined
    const cache = found?.['~handlerCache']
    if (!cache) throw new Error(`the file exports no Auth of @langchain/langgraph-sdk/auth as "${name}"`)
    const { authenticate, callbacks = {} } = cache
    if (!authenticate) throw new Error('it does not say who a request is from; call .authenticate(…) on the Auth')
    return {
      authenticate: request => authenticated(authenticate, request, logger),
      handlers: new Map(Object.entries(callbacks)),
      files: sources.paths(),
    }
  } catch (cause) {
    throw new Error(`auth.path: ${file}:${name}: ${(cause as Error).message}`, { cause })
  } finally {
    sources.close()
  }
}

interface HandlerCache {
  authenticate?: (request: Request) => unknown
  callbacks?: Record<string, Handler>
}

async function authenticated(
  authenticate: NonNullable<HandlerCache['authenticate']>,
  request: Request,
  logger: Logger,
): Promise<User> {
  let user: User
  try {
    user = userOf(await authenticate(request))
  } catch (error) {
    const denial = denialOf(error)
    if (denial) throw denial
    logger('warn', 'authenticate failed', errorFields(error))
    throw new RunloomError('unauthenticated', 'Unauthorized')
  }
  refuseForged(request)
  return user
}

function userOf(returned: unknown): User {
  const user = (typeof returned === 'string' ? { identity: returned } : returned) as Partial<User> | null | undefined
  if (typeof user?.identity !== 'string' || user.identity === '' || user.is_authenticated === false) {
    throw new Error('authenticate returned no user; return an identity, or an object with one')
  }
  const { identity, permissions, display_name } = user
  if (permissions != null && !isTexts(permissions)) throw new Error('permissions are a list of names')
  return {
    ...user,
    identity,
    permissions: permissions ?? [],
    display_name: display_name ?? identity,
    is_authenticated: true,
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(one => typeof one === 'string')
}

/** What an error of the user's code says to the client; undefined for one that was not meant for it. */
export function denialOf(error: unknown): Denial | undefined {
  if (!isHttpException(error) || !(error.status >= 400 && error.status <= 599)) return undefined
  return new Denial(error.status, error.message, error.headers ?? {})
}

function isHttpException(error: unknown): error is Error & { status: number; headers?: Record<string, string> } {
  if (!(error instanceof Error)) return false
  for (let type = Object.getPrototypeOf(error); type !== null; type = Object.getPrototypeOf(type)) {
    if (type.constructor.name === 'HTTPException') return true
  }
  return false
}
