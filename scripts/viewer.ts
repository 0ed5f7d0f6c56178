// Copies the viewer of the API's description into the package (src/http/docs.ts), so that those who install it need not
// install the viewer's own.
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const from = fileURLToPath(new URL('.', import.meta.resolve('swagger-ui-dist/package.json')))
const to = join(import.meta.dirname, '../dist/http/viewer')
mkdirSync(to, { recursive: true })
for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE'])
  copyFileSync(join(from, file), join(to, file))
