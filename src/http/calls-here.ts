// Calls of this server's own API that do not leave the process: relative webhooks, and clients of the SDK that name no URL,
// in graphs and in the user's app.
import type { Hono } from 'hono'
import type { User } from '../core/users.ts'
import { acting } from './authentication.ts'

const ORIGIN = 'http://runloom.internal'

/** Where such a client of the SDK looks. */
const FETCH = Symbol.for('langgraph_api:fetch')
const URL_HERE = Symbol.for('langgraph_api:url')

/** Of the servers in one process the newest is the one that clients find, until it is closed. */
export function callsHere(app: Hono, mount_prefix: string) {
  const found = globalThis as { [FETCH]?: typeof fetch; [URL_HERE]?: string }
  const fetchHere: typeof fetch = async (input, init) => app.fetch(new Request(input, init))
  const url = `${ORIGIN}${mount_prefix}`
  found[FETCH] = fetchHere
  found[URL_HERE] = url
  return {
    /** Calls a route by its path, without the prefix, for somebody. */
    call: async (path: string, init: RequestInit, user: User | undefined): Promise<Response> =>
      app.fetch(new Request(new URL(`${mount_prefix}${path}`, ORIGIN), init), acting(user)),
    close() {
      if (found[FETCH] !== fetchHere) return
      delete found[FETCH]
      delete found[URL_HERE]
    },
  }
}
