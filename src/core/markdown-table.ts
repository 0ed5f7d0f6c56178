// Rows of text as a Markdown table; the first row is its head.

/** Empty without rows. Columns that are empty throughout at the end are left out. */
export function markdownTable(rows: readonly string[][]): string {
  const full = rows.filter(row => row.some(cell => cell.trim() !== ''))
  const width = full.reduce((most, row) => Math.max(most, row.findLastIndex(cell => cell.trim() !== '') + 1), 0)
  if (width === 0) return ''
  const lines = full.map(row => line(Array.from({ length: width }, (_, n) => plain(row[n] ?? ''))))
  return [lines[0], line(Array.from({ length: width }, () => '---')), ...lines.slice(1)].join('\n')
}

function line(cells: string[]): string {
  return `| ${cells.join(' | ')} |`
}

function plain(cell: string): string {
  return cell.trim().replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')
}
