// The viewer of the API's description: Swagger UI, served from here. Nothing is fetched from elsewhere.
import { readFile } from 'node:fs/promises'
import type { Context } from 'hono'
import { RunloomError } from '../core/errors.ts'

const TYPES: Record<string, string> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
}

/** All addresses are relative, so that a prefix or a proxy does not matter. */
export const docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Runloom API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: 'openapi.json', dom_id: '#docs', deepLinking: true, tryItOutEnabled: true })</script>
</body>
</html>
`

/** One of the viewer's files: beside this one in the published package, in `node_modules` otherwise. */
export async function viewerFile(c: Context, name: string): Promise<Response> {
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined
  if (type === undefined) throw new RunloomError('not_found', `There is no ${name} here`)
  const text = await readFile(new URL(`./viewer/${name}`, import.meta.url)).catch(() =>
    readFile(new URL(import.meta.resolve(`swagger-ui-dist/${name}`))),
  )
  return c.body(text, 200, { 'content-type': type, 'cache-control': 'max-age=86400' })
}
