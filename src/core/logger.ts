// Logging: a constant message plus fields. The runtime writes JSON lines; tests may collect them.

export type Level = 'info' | 'warn' | 'error'
export type Logger = (level: Level, message: string, fields?: Record<string, unknown>) => void

/** An error as log fields. */
export function errorFields(error: unknown): Record<string, unknown> {
  return error instanceof Error
    ? { error: error.name, reason: error.message, stack: error.stack }
    : { reason: String(error) }
}
