// A dense table. On narrow screens it scrolls sideways by itself, and the page does not.
import type { ReactNode } from 'react'

export interface Column<Row> {
  head: string
  cell: (row: Row) => ReactNode
  /** Of numbers. */
  right?: boolean
}

export function Table<Row>({
  label,
  columns,
  rows,
  keyOf,
}: {
  label: string
  columns: Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section aria-label={label} tabIndex={0} className="overflow-x-auto rounded-lg border bg-surface">
      <table className="w-full border-collapse text-left">
        <thead className="text-xs text-muted">
          <tr>
            {columns.map(({ head, right }) => (
              <th
                key={head}
                scope="col"
                className={`border-b px-3 py-2 font-medium whitespace-nowrap ${right ? 'text-right' : ''}`}
              >
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(row => (
            <tr key={keyOf(row)} className="border-b last:border-0 hover:bg-hover">
              {columns.map(({ head, cell, right }) => (
                <td key={head} className={`px-3 py-2 align-middle ${right ? 'text-right tabular-nums' : ''}`}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
