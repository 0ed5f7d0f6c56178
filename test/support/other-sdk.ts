// Preloaded by scripts/test-sdk.ts: the tests' own imports of the SDK come from the folder that TEST_SDK names. What the
// server and LangGraph import stays theirs.
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const SDK = '@langchain/langgraph-sdk'
const tests = pathToFileURL(join(import.meta.dirname, '..')).href
const from = pathToFileURL(join(process.env.TEST_SDK as string, 'package.json')).href

registerHooks({
  resolve: (specifier, context, next) => {
    const isSdk = specifier === SDK || specifier.startsWith(`${SDK}/`)
    const parentURL = isSdk && context.parentURL?.startsWith(tests) ? from : context.parentURL
    return next(specifier, { ...context, parentURL })
  },
})
