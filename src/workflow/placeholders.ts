// `{{…}}` in texts (contracts: workflows §4). They are found and replaced in one pass, so what a model wrote is never
// taken for a placeholder.

export interface Placeholder {
  /** As it stands between the braces, without spaces. */
  key: string
  name: string
  /** `{{input:name}}`: a run's input, also where a node has that name. */
  input: boolean
}

const PATTERN = /\{\{\s*((?:input:)?[A-Za-z_][\w-]*)\s*\}\}/g

/** Each distinct placeholder of some texts, sorted. */
export function placeholdersIn(texts: readonly string[]): Placeholder[] {
  const keys = new Set(texts.flatMap(text => [...text.matchAll(PATTERN)].map(match => match[1] as string)))
  return [...keys].sort().map(key => {
    const input = key.startsWith('input:')
    return { key, name: input ? key.slice('input:'.length) : key, input }
  })
}

/** Replaces the placeholders whose keys have a text; the others stay. */
export function fillPlaceholders(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(PATTERN, (whole, key: string) => values.get(key) ?? whole)
}
