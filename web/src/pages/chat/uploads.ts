// Files for a thread: what the server takes, and bringing them there.
import { queryOptions } from '@tanstack/react-query'
import { request } from '../../api.ts'

interface Limits {
  max_files: number
  max_file_size: number
  max_total_size: number
}

/** A file as a message names it. */
export interface UploadedFile {
  filename: string
  size: number
  path: string
  status: 'uploaded'
}

export function limitsQuery(thread_id: string) {
  return queryOptions({
    queryKey: ['uploads', 'limits'],
    queryFn: () => request<Limits>(`/api/threads/${thread_id}/uploads/limits`),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Why these cannot be sent; undefined if they can, or where it is not known yet what can. */
export function refusalOf(files: readonly File[], limits: Limits | undefined): string | undefined {
  if (!limits || files.length === 0) return undefined
  if (limits.max_files === 0) return 'This server takes no files.'
  if (files.length > limits.max_files) return `At most ${limits.max_files} files go with one message.`
  const large = files.find(({ size }) => size > limits.max_file_size)
  if (large) return `${large.name} is larger than ${megabytes(limits.max_file_size)}.`
  const total = files.reduce((sum, { size }) => sum + size, 0)
  if (total > limits.max_total_size) return `Together they are larger than ${megabytes(limits.max_total_size)}.`
  return undefined
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`
}

/** Brings files to a thread that is there. */
export async function upload(thread_id: string, files: readonly File[]): Promise<UploadedFile[]> {
  if (files.length === 0) return []
  const body = new FormData()
  for (const file of files) body.append('files', file, file.name)
  const path = `/api/threads/${thread_id}/uploads`
  const answer = await request<{ files: { filename: string; size: number | string; virtual_path: string }[] }>(path, {
    method: 'POST',
    body,
  })
  return answer.files.map(({ filename, size, virtual_path }) => ({
    filename,
    size: Number(size),
    path: virtual_path,
    status: 'uploaded',
  }))
}
