// Pages of tests, as one script each.
import { join } from 'node:path'
import { build, type Rolldown } from 'vite'

export const PAGES = join(import.meta.dirname, '../fixtures/browser')

/** A page's script with all that it imports; `alias` puts other packages in the place of some. */
export async function bundlePage(file: string, alias: Record<string, string> = {}): Promise<string> {
  const built = await build({
    root: PAGES,
    configFile: false,
    logLevel: 'silent',
    resolve: { alias },
    build: { write: false, rolldownOptions: { input: join(PAGES, file) } },
  })
  const { output } = (Array.isArray(built) ? built[0] : built) as Rolldown.RolldownOutput
  return output[0].code
}
