// What searches have in common: pages, and rows cut to the fields that were asked for (contracts: langgraph §1).
import type { Context } from 'hono'

/** Tells how many rows there are on all pages, and where the next page begins if there is one. */
export function pageHeaders(c: Context, { offset, shown, total }: { offset: number; shown: number; total: number }) {
  c.header('x-pagination-total', String(total))
  if (offset + shown < total && shown > 0) c.header('x-pagination-next', String(offset + shown))
}

/** A row with the selected fields only; all of them without a selection. */
export function selected<T extends object>(row: T, select: readonly string[] | null | undefined): Partial<T> {
  if (!select) return row
  return Object.fromEntries(Object.entries(row).filter(([field]) => select.includes(field))) as Partial<T>
}
