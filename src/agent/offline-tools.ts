// Which tools a question takes, by the offline model's rules: each is asked for plainly, or not at all.

/** A call that the model asks for, before it has an id. */
export type ToolRequest = { name: string; args: Record<string, unknown> }

/** The calls that a question asks for, whether there are such tools or not. */
export function toolRequests(question: string): ToolRequest[] {
  const plain = namedTool(question) ?? delegation(question)
  if (plain) return [plain]
  const [, asked] = /^ask me (?:about |for )?(.+?)[.!]*$/i.exec(question) ?? []
  if (asked)
    return [{ name: 'ask_clarification', args: { question: `You want me to ask you ${asked}. So: ${asked}?` } }]
  const filed = fileRequest(question)
  if (filed) return [filed]
  const expression = expressionIn(question)
  const requests: ToolRequest[] = expression ? [{ name: 'calculate', args: { expression } }] : []
  if (/\b(what|which|tell|current)\b.*\b(time|date|day)\b|\btoday\b/i.test(question)) {
    const time_zone = timeZoneIn(question)
    requests.push({ name: 'current_time', args: time_zone ? { time_zone } : {} })
  }
  return requests
}

/** `Use shop__stock with {"item": "tea"}`: any tool, so that one's own can be tried without a model. */
function namedTool(question: string): ToolRequest | undefined {
  const [, name, json = '{}'] = /^use (\w[\w-]*)(?: with (\{.*\}))?\.?$/is.exec(question) ?? []
  if (name === undefined) return undefined
  try {
    return { name, args: JSON.parse(json) }
  } catch {
    return undefined
  }
}

function delegation(question: string): ToolRequest | undefined {
  const [, prompt] = /^(?:delegate|(?:ask|let|use) a sub-?agent(?: to)?)[:,]?\s+(.+)$/is.exec(question) ?? []
  if (!prompt) return undefined
  const description = prompt.split(/\s+/).slice(0, 5).join(' ')
  return { name: 'task', args: { description, prompt, subagent_type: 'general-purpose' } }
}

/** Where the file tools look, for a name without a folder. */
const WORKSPACE = '/mnt/user-data/workspace'

function fileRequest(question: string): ToolRequest | undefined {
  const [, text, target] = /^write (.+) (?:to|into) (?:the file )?(\S+\.\w+)[.!]*$/is.exec(question) ?? []
  if (text && target)
    return { name: 'write_file', args: { path: pathOf(target), content: text.replace(/^"(.*)"$/s, '$1') } }
  const [, source] = /^read (?:the file )?(\S+\.\w+)[.!?]*$/i.exec(question) ?? []
  if (source) return { name: 'read_file', args: { path: pathOf(source) } }
  return /^list (?:the |my |all )?files\b/i.test(question) ? { name: 'list_files', args: {} } : undefined
}

function pathOf(name: string): string {
  return name.includes('/') ? name : `${WORKSPACE}/${name}`
}

function expressionIn(question: string): string | undefined {
  const text = question
    .replace(/ plus /gi, ' + ')
    .replace(/ minus /gi, ' - ')
    .replace(/ (times|multiplied by) /gi, ' * ')
    .replace(/ divided by /gi, ' / ')
  return text.match(/[-(]*\.?\d[\d\s.()+\-*/%^]*[\d)]/g)?.find(run => /[\d)]\s*[-+*/%^]/.test(run))
}

// `Europe/Berlin` as it stands, or a city that some IANA zone is named after.
function timeZoneIn(question: string): string | undefined {
  const [zone] = /\b[A-Z]\w+\/[A-Z]\w+(\/[A-Z]\w+)?\b/.exec(question) ?? []
  if (zone) return zone
  const [, city] = /\bin ((?:[A-Z]\w+ ?)+)/.exec(question) ?? []
  if (!city) return undefined
  const suffix = `/${city.trim().replaceAll(' ', '_')}`
  return Intl.supportedValuesOf('timeZone').find(name => name.endsWith(suffix))
}
