// How the page is built: into dist/web, with addresses relative to where it is served.
import { join } from 'node:path'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  base: './',
  resolve: { alias: [{ find: /^langsmith(\/.*)?$/, replacement: join(import.meta.dirname, 'no-tracing.ts') }] },
  plugins: [react(), tailwind()],
  build: {
    outDir: join(import.meta.dirname, '../dist/web'),
    emptyOutDir: true,
    // The colours of both themes are light-dark(); older browsers do not have it.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // No data: addresses of scripts or styles, which the page's policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    // What is loaded first is measured by a test.
    chunkSizeWarningLimit: 1_000,
  },
})
