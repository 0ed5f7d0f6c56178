// Builds the web page into dist/web, in a folder beside it first, so that a server or a test never sees half of it.
// `--if-older`: only when a file that it is made of is newer than the page; what `npm start` and the tests use.
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'web')

/** The folder of the built page. */
export const PAGE = join(root, 'dist/web')

/** Builds it if it is not there or older than its sources; true if it did. */
export async function buildIfOlder(): Promise<boolean> {
  const built = statSync(join(PAGE, 'index.html'), { throwIfNoEntry: false })
  if (built && built.mtimeMs >= newest()) return false
  await buildPage()
  return true
}

async function buildPage(): Promise<void> {
  const { build } = await import('vite')
  const folder = `${PAGE}-${process.pid}`
  try {
    await build({ configFile: join(source, 'vite.config.ts'), logLevel: 'warn', build: { outDir: folder } })
    pack(join(folder, 'assets'))
    const old = `${folder}-old`
    if (existsSync(PAGE)) renameSync(PAGE, old)
    renameSync(folder, PAGE)
    rmSync(old, { recursive: true, force: true })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** When one of the files that it is made of was last written. */
function newest(): number {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).map(file => join(source, file))
  return Math.max(...[...files, join(root, 'package-lock.json')].map(file => statSync(file).mtimeMs))
}

/** Beside each text file the same, packed as it is sent. */
function pack(assets: string): void {
  for (const file of readdirSync(assets)) {
    if (['.js', '.css', '.svg'].includes(extname(file)))
      writeFileSync(join(assets, `${file}.gz`), gzipSync(readFileSync(join(assets, file)), { level: 9 }))
  }
}

if (import.meta.main) {
  if (process.argv.includes('--if-older')) {
    if (await buildIfOlder()) console.log('The web page was built into dist/web')
  } else await buildPage()
}
