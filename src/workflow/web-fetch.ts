// Reading a page for a model (contracts: workflows §6). Where a model may send the server is what a webhook may name: every
// address is checked while it is connected to, and every redirect is a new URL that is checked again.
import http from 'node:http'
import https from 'node:https'
import { Parser } from 'htmlparser2'
import { type AddressGuard, Refused } from '../core/address-guard.ts'

const TIMEOUT_MS = 20_000
const MOST_REDIRECTS = 5
const MOST_BYTES = 2_000_000
const MOST_CHARACTERS = 50_000
/** What is text to a reader. */
const TEXT = /^(text\/|application\/([\w.-]+\+)?(json|xml|javascript|x-ndjson)\b)/
const HTML = /^(text\/html|application\/xhtml\+xml)/

/** The page's text, of a page in HTML without its markup. Rejects with an Error that a model can read, or the signal's reason. */
export async function fetchText(address: string, guard: AddressGuard, signal: AbortSignal): Promise<string> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const within = AbortSignal.any([signal, timeout])
  try {
    let url = checkedUrl(address)
    for (let redirects = 0; ; redirects++) {
      const page = await get(url, guard, within)
      if (!('location' in page)) return textOf(page)
      if (redirects === MOST_REDIRECTS) throw new Error(`more than ${MOST_REDIRECTS} redirects`)
      url = checkedUrl(page.location, url)
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (timeout.aborted) throw new Error(`no answer within ${TIMEOUT_MS / 1000} s`, { cause: error })
    throw error
  }
}

function checkedUrl(address: string, base?: URL): URL {
  const url = URL.parse(address, base)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new Refused('use an http: or https: URL')
}

type Page = { location: string } | { type: string; charset: string; body: Buffer; cut: boolean }

function get(url: URL, guard: AddressGuard, signal: AbortSignal): Promise<Page> {
  const { promise, resolve, reject } = Promise.withResolvers<Page>()
  const { request } = url.protocol === 'https:' ? https : http
  const headers = { 'user-agent': 'runloom', accept: 'text/*, application/json, application/xml;q=0.9' }
  const call = request(url, { headers, agent: guard.agent(url), signal }, response => {
    const { statusCode = 0, headers } = response
    response.on('error', reject)
    const done = (page: Page) => {
      resolve(page)
      response.destroy()
    }
    if (statusCode >= 300 && statusCode < 400 && headers.location) return done({ location: headers.location })
    const [, type = 'text/plain', charset = 'utf-8'] =
      /^([^;\s]+)(?:.*charset="?([\w-]+))?/i.exec(headers['content-type'] ?? '') ?? []
    const refuse = (reason: string) => {
      reject(new Error(reason))
      response.destroy()
    }
    if (statusCode < 200 || statusCode >= 300) return refuse(`HTTP ${statusCode}`)
    if (!TEXT.test(type.toLowerCase())) return refuse(`the answer is ${type}, not a text`)
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > MOST_BYTES) done({ type, charset, body: Buffer.concat(chunks).subarray(0, MOST_BYTES), cut: true })
    })
    response.on('end', () => resolve({ type, charset, body: Buffer.concat(chunks), cut: false }))
    response.on('close', () => reject(new Error('the answer broke off')))
  })
  call.on('error', reject)
  call.end()
  return promise
}

function textOf({ type, charset, body, cut }: Exclude<Page, { location: string }>): string {
  const decoded = decoderOf(charset).decode(body)
  const text = HTML.test(type.toLowerCase()) ? withoutMarkup(decoded) : decoded
  const most = text.slice(0, MOST_CHARACTERS)
  return cut || most.length < text.length ? `${most}\n[cut off: the page goes on]` : most
}

function decoderOf(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder()
  }
}

/** Elements whose content is not read, and those that a line ends with. */
const UNREAD = new Set(['script', 'style', 'noscript', 'template', 'svg', 'head'])
const LINES =
  /^(address|article|aside|blockquote|br|d[dlt]|div|figure|footer|form|h\d|header|hr|li|main|nav|ol|p|pre|section|t[rh]|table|title|ul)$/

function withoutMarkup(html: string): string {
  let title = ''
  let text = ''
  let unread = 0
  let inTitle = false
  const parser = new Parser({
    onopentagname(name) {
      if (UNREAD.has(name)) unread++
      if (name === 'title') inTitle = unread > 0 && title === ''
      if (LINES.test(name)) text += '\n'
    },
    ontext(data) {
      if (inTitle) title += data
      else if (unread === 0) text += data.replace(/\s+/g, ' ')
    },
    onclosetag(name) {
      if (UNREAD.has(name)) unread--
      if (name === 'title') inTitle = false
      if (LINES.test(name)) text += '\n'
    },
  })
  parser.end(html)
  const lines = [title, ...text.split('\n')].map(line => line.replace(/\s+/g, ' ').trim())
  return lines.filter(line => line !== '').join('\n')
}
