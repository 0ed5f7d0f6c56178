// Files that users give to a thread (contracts: gateway §4.1). A batch is on disk before any of it is in the thread: what
// fails, is too large or is broken off leaves nothing. A document gets a companion beside it, its text as Markdown.
import type { UploadAnswer, UploadDeleted, UploadedFile, UploadLimits, UploadList } from '../protocol/files.ts'
import type { Documents } from './documents.ts'
import { RunloomError } from './errors.ts'
import type { Part, ThreadFiles } from './thread-files.ts'
import { artifactUrl, checkName, extensionOf, markdownName, numbered, virtualPath } from './virtual-paths.ts'

const AREA = 'uploads'

export interface UploadParts {
  files: ThreadFiles
  /** Undefined: documents are not converted. */
  documents: Documents | undefined
  limits: UploadLimits
}

export class Uploads {
  readonly limits: UploadLimits
  readonly #files: ThreadFiles
  readonly #documents: Documents | undefined

  constructor({ files, documents, limits }: UploadParts) {
    this.limits = limits
    this.#files = files
    this.#documents = documents
  }

  /** An empty batch. */
  begin(): UploadBatch {
    return new UploadBatch(this.#files, this.limits)
  }

  /** Gives a batch to a thread that there is. */
  async add(thread_id: string, batch: UploadBatch): Promise<UploadAnswer> {
    const markdown = await Promise.all(
      batch.parts.map(({ filename, part }) => this.#documents?.toMarkdown(part.path, filename)),
    )
    const files: UploadedFile[] = []
    const skipped_files: string[] = []
    for (const [n, { filename, part }] of batch.parts.entries()) {
      const name = await this.#put(thread_id, filename, part)
      if (name === undefined) {
        skipped_files.push(filename)
        continue
      }
      const file: UploadedFile = { filename: name, size: part.size, ...(await this.#spellings(thread_id, name)) }
      if (name !== filename) file.original_filename = filename
      const text = markdown[n]
      files.push(text === undefined ? file : { ...file, ...(await this.#addMarkdown(thread_id, name, text)) })
    }
    const count = `${files.length} ${files.length === 1 ? 'file' : 'files'} uploaded`
    const skipped =
      skipped_files.length > 0 ? `; skipped, because a link has the name: ${skipped_files.join(', ')}` : ''
    return { success: skipped_files.length === 0, files, message: count + skipped, skipped_files }
  }

  async list(thread_id: string): Promise<UploadList> {
    const entries = (await this.#files.list(thread_id, [AREA])).filter(entry => entry.kind === 'file')
    const files = await Promise.all(
      entries.map(async ({ name, size, modified_ms }) => ({
        filename: name,
        size,
        ...(await this.#spellings(thread_id, name)),
        extension: extensionOf(name) && `.${extensionOf(name)}`,
        modified: modified_ms / 1000,
      })),
    )
    return { files, count: files.length }
  }

  /** With its companion. Rejects with `not_found`, and with `malformed` for what is no name. */
  async remove(thread_id: string, filename: string): Promise<UploadDeleted> {
    checkName(filename, 'filename')
    const companion = await this.markdownOf(thread_id, filename)
    await this.#files.remove(thread_id, [AREA, filename])
    if (companion !== undefined) await this.#files.remove(thread_id, [AREA, companion])
    return { success: true, message: `${filename} deleted` }
  }

  /** The name of an upload's companion. */
  async markdownOf(thread_id: string, filename: string): Promise<string | undefined> {
    const wanted = companionMark(filename)
    const begin = markdownName(filename).slice(0, -'.md'.length).slice(0, MARK_STEM)
    for (const { name, kind } of await this.#files.list(thread_id, [AREA])) {
      if (kind !== 'file' || !name.endsWith('.md') || !name.startsWith(begin)) continue
      const { handle } = await this.#files.open(thread_id, [AREA, name])
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(Buffer.byteLength(wanted)), { position: 0 })
        if (buffer.toString('utf8', 0, bytesRead) === wanted) return name
      } finally {
        await handle.close()
      }
    }
    return undefined
  }

  /** The name it got; undefined where a link has the name. */
  async #put(thread_id: string, filename: string, part: Part): Promise<string | undefined> {
    for (let number = 0; ; number++) {
      const name = numbered(filename, number)
      const outcome = await this.#files.put(thread_id, [AREA, name], part, 'keep')
      if (outcome === 'put') return name
      if (outcome === 'linked') return undefined
    }
  }

  async #addMarkdown(thread_id: string, filename: string, text: string): Promise<Partial<UploadedFile>> {
    const part = await this.#files.stage([Buffer.from(companionMark(filename) + text)])
    const name = await this.#put(thread_id, markdownName(filename), part)
    if (name === undefined) return {}
    const { path, virtual_path, artifact_url } = await this.#spellings(thread_id, name)
    return {
      markdown_file: name,
      markdown_path: path,
      markdown_virtual_path: virtual_path,
      markdown_artifact_url: artifact_url,
    }
  }

  async #spellings(thread_id: string, name: string) {
    const segments = [AREA, name]
    return {
      path: await this.#files.hostPath(thread_id, segments),
      virtual_path: virtualPath(segments),
      artifact_url: artifactUrl(thread_id, segments),
    }
  }
}

/** As much of a name as its companion's certainly begins with. */
const MARK_STEM = 60

/** How a companion begins, so that it is not taken for a user's own file of that name. */
function companionMark(filename: string): string {
  return `<!-- text of ${encodeURI(filename)} -->\n\n`
}

/** Files on their way to a thread. Whoever begins one drops it in the end. */
export class UploadBatch {
  readonly parts: { filename: string; part: Part }[] = []
  readonly #files: ThreadFiles
  readonly #limits: UploadLimits
  #count = 0
  #total = 0

  constructor(files: ThreadFiles, limits: UploadLimits) {
    this.#files = files
    this.#limits = limits
  }

  /** Writes one file to the disk. Rejects with `malformed` for its name, `too_large` above a limit. */
  async take(filename: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { max_files } = this.#limits
    if (++this.#count > max_files) {
      throw new RunloomError('too_large', `files: more than ${max_files} files; send at most ${max_files} at once`)
    }
    checkName(filename, 'files')
    this.parts.push({ filename, part: await this.#files.stage(this.#counted(filename, content)) })
  }

  /** Removes what has come to no thread. */
  async drop(): Promise<void> {
    for (const { part } of this.parts) await this.#files.discard(part)
  }

  async *#counted(filename: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { max_file_size, max_total_size } = this.#limits
    let size = 0
    for await (const chunk of content) {
      size += chunk.byteLength
      this.#total += chunk.byteLength
      if (size > max_file_size) {
        throw new RunloomError('too_large', `files: "${filename}" is larger than ${max_file_size} bytes`)
      }
      if (this.#total > max_total_size) {
        throw new RunloomError('too_large', `files: together they are larger than ${max_total_size} bytes`)
      }
      yield chunk
    }
  }
}
