// langgraph.json as text: JSON, and where it is not.
import { ConfigError } from './config-error.ts'

/** Throws a ConfigError with line and column. */
export function parseJson(text: string, name: string): unknown {
  const json = text.replace(/^\uFEFF/, '')
  try {
    return JSON.parse(json)
  } catch (cause) {
    const { message } = cause as Error
    const before = json.slice(0, faultIn(json, message)).split('\n')
    const what = message.replace(/ (in JSON )?at position.*|, (\.\.\.)?".*/s, '')
    throw new ConfigError(
      `${name}:${before.length}:${(before.at(-1) ?? '').length + 1}: ${what}; the file must be JSON, without comments`,
      { cause },
    )
  }
}

/** V8 gives a position with most of its messages; for a token it does not like, the shortest text that has it tells. */
function faultIn(json: string, message: string): number {
  const [, position] = /at position (\d+)/.exec(message) ?? []
  if (position) return Number(position)
  if (!message.startsWith('Unexpected token')) return json.length
  for (let length = 1; length < json.length; length++) {
    try {
      JSON.parse(json.slice(0, length))
    } catch (error) {
      if ((error as Error).message.startsWith('Unexpected token')) return length - 1
    }
  }
  return json.length - 1
}
