// Which headers of a request go further: into the configuration of a run, into the log.
import type { HeaderFilter } from '../protocol/config-file.ts'

/** They are for the server alone, whatever the configuration says. */
const SECRET = new Set(
  'authorization proxy-authorization cookie x-api-key x-service-key x-modelrelay-api-key'.split(' '),
)

export type HeaderPicker = (headers: Headers) => Record<string, string>

/** Picks the headers that a filter includes and does not exclude, by their names in lower case. */
export function headerPicker(filter: HeaderFilter | undefined): HeaderPicker {
  if (!filter || filter.includes.length === 0) return () => ({})
  const [included, excluded] = [matcher(filter.includes), matcher(filter.excludes)]
  const picks = (name: string) => included(name) && !excluded(name) && !SECRET.has(name)
  return headers => Object.fromEntries([...headers].filter(([name]) => picks(name)))
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const sources = patterns.map(pattern =>
    pattern
      .toLowerCase()
      .replace(/[^\w*-]/g, '\\$&')
      .replaceAll('*', '.*'),
  )
  const regex = new RegExp(`^(?:${sources.join('|')})$`)
  return name => patterns.length > 0 && regex.test(name)
}
