// Which embeddings `store.index.embed` names (contracts: langgraph §7): a provider's through LangChain, or what a file of
// the user's exports.
import { resolve } from 'node:path'
import { SourceFiles } from './source-files.ts'

/** As LangChain's embeddings have it. */
export interface Embeddings {
  embedDocuments(texts: string[]): Promise<number[][]>
  embedQuery(text: string): Promise<number[]>
}

type EmbeddingsClass = new (fields: { model: string }) => Embeddings

/** Where LangChain has the embeddings of a provider. */
const PROVIDERS: Record<string, { from: string; name: string }> = {
  azure_openai: { from: '@langchain/openai', name: 'AzureOpenAIEmbeddings' },
  bedrock: { from: '@langchain/aws', name: 'BedrockEmbeddings' },
  cohere: { from: '@langchain/cohere', name: 'CohereEmbeddings' },
  'google-genai': { from: '@langchain/google-genai', name: 'GoogleGenerativeAIEmbeddings' },
  google_vertexai: { from: '@langchain/google-vertexai', name: 'VertexAIEmbeddings' },
  mistralai: { from: '@langchain/mistralai', name: 'MistralAIEmbeddings' },
  ollama: { from: '@langchain/ollama', name: 'OllamaEmbeddings' },
  openai: { from: '@langchain/openai', name: 'OpenAIEmbeddings' },
}

/**
 * The embeddings of `provider:model`, or of `./file.ts:export`: an object with LangChain's interface, or a function from
 * texts to vectors. Throws an Error that names the setting and the remedy.
 */
export async function loadEmbeddings(spec: string, folder: string): Promise<Embeddings> {
  const at = spec.lastIndexOf(':')
  const [, file, name] = /^(\.{0,2}\/.+|.+\.[cm]?[jt]s):([\w$]+)$/.exec(spec) ?? []
  if (file && name) return fromFile(resolve(folder, file), name, spec)
  const provider = PROVIDERS[spec.slice(0, Math.max(0, spec.indexOf(':')))]
  if (provider && at < spec.length - 1) return fromProvider(provider, spec)
  const known = Object.keys(PROVIDERS).join(', ')
  throw new Error(
    `store.index.embed: "${spec}" names no embeddings; use provider:model (${known}), or ./file.ts:export`,
  )
}

async function fromProvider({ from, name }: { from: string; name: string }, spec: string): Promise<Embeddings> {
  const module = await import(from).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ERR_MODULE_NOT_FOUND')
      throw new Error(`store.index.embed: ${spec}: ${cause.message}`, { cause })
    throw new Error(`store.index.embed: ${spec}: its package is not installed. Run: npm install ${from}`, { cause })
  })
  try {
    const Embeddings = module[name] as EmbeddingsClass
    return new Embeddings({ model: spec.slice(spec.indexOf(':') + 1) })
  } catch (cause) {
    throw new Error(`store.index.embed: ${spec}: ${(cause as Error).message}`, { cause })
  }
}

async function fromFile(file: string, name: string, spec: string): Promise<Embeddings> {
  const sources = new SourceFiles()
  try {
    const found = (await sources.import(file))[name]
    if (isEmbeddings(found)) return found
    if (typeof found !== 'function') throw new Error(`the export is no embeddings and no function`)
    const embed = found as (texts: string[]) => Promise<number[][]> | number[][]
    return {
      embedDocuments: async texts => embed(texts),
      embedQuery: async text => (await embed([text]))[0] as number[],
    }
  } catch (cause) {
    throw new Error(`store.index.embed: ${spec}: ${(cause as Error).message}`, { cause })
  } finally {
    sources.close()
  }
}

function isEmbeddings(value: unknown): value is Embeddings {
  return typeof value === 'object' && value !== null && 'embedDocuments' in value && 'embedQuery' in value
}
