// The pages are built into dist, which is committed and embedded, so that a fresh
// machine needs Go alone. Builds are byte-identical; CI rebuilds and compares.
import { resolve } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  base: './',
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: false },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { input: { phone: resolve(import.meta.dirname, 'phone/index.html') } },
  },
  // `npm run dev` beside `go run ./cmd/demo`: the page changes as it is written.
  server: { proxy: { '/sandbox': 'http://127.0.0.1:8080', '/api': 'http://127.0.0.1:8080' } },
})
