// Uploads as the gateway dialect answers them (contracts: gateway §4.1), over HTTP and in the embedded client alike.
import { z } from 'zod'

export const uploadLimits = z.object({
  max_files: z.number().int(),
  /** Bytes. */
  max_file_size: z.number().int(),
  max_total_size: z.number().int(),
})
export type UploadLimits = z.infer<typeof uploadLimits>

/** Three spellings of one file: on the server's disk below its data folder, for the agent, for browsers. */
const spellings = { path: z.string(), virtual_path: z.string(), artifact_url: z.string() }

const uploadedFile = z.object({
  filename: z.string(),
  /** Bytes. */
  size: z.number().int(),
  ...spellings,
  /** The name that it was sent with, where another file has that. */
  original_filename: z.string().optional(),
  /** Its text as Markdown, where it is a document that could be converted. */
  markdown_file: z.string().optional(),
  markdown_path: z.string().optional(),
  markdown_virtual_path: z.string().optional(),
  markdown_artifact_url: z.string().optional(),
})
export type UploadedFile = z.infer<typeof uploadedFile>

export const uploadAnswer = z.object({
  /** False when a file was skipped. */
  success: z.boolean(),
  files: z.array(uploadedFile),
  message: z.string(),
  /** Those whose name is that of a link. */
  skipped_files: z.array(z.string()),
})
export type UploadAnswer = z.infer<typeof uploadAnswer>

export const uploadList = z.object({
  files: z.array(
    z.object({
      filename: z.string(),
      size: z.number().int(),
      ...spellings,
      /** With the dot. */
      extension: z.string(),
      /** Seconds since 1970. */
      modified: z.number(),
    }),
  ),
  count: z.number().int(),
})
export type UploadList = z.infer<typeof uploadList>

export const uploadDeleted = z.object({ success: z.literal(true), message: z.string() })
export type UploadDeleted = z.infer<typeof uploadDeleted>
