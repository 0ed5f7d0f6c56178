// Office documents as what they are: ZIP archives. They are unpacked here, under a limit, before any converter sees them,
// because a small archive can hold more than there is memory.
import { unzipSync, zipSync } from 'fflate'

export type ArchiveFiles = Record<string, Uint8Array>

const MOST_BYTES = 256 * 1024 * 1024
const MOST_FILES = 10_000

/** The files of an archive by their paths, without pictures and the like. */
export function inflated(archive: Uint8Array): ArchiveFiles {
  let bytes = 0
  let files = 0
  return unzipSync(archive, {
    filter: ({ name, originalSize }) => {
      if (!/\.(xml|rels)$/i.test(name)) return false
      // A file that says less than it holds is cut off at what it says.
      bytes += originalSize
      if (++files > MOST_FILES || bytes > MOST_BYTES) throw new Error('it is too large when it is unpacked')
      return true
    },
  })
}

/** As an archive again, not compressed. */
export function packed(files: ArchiveFiles): Buffer {
  return Buffer.from(zipSync(files, { level: 0 }))
}
