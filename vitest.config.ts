import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Each test that opens a store starts a writer thread, which would strip and compile the same TypeScript anew: 250 to 570 ms each
// time, 84 to 221 with what Node keeps of it. Set here, so that workers and the processes that tests start inherit it.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url))

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    // Most of the time they wait for each other's sockets: one for each processor, not one less as is usual.
    maxWorkers: '100%',
    // No test is to fail because the machine has much else to do: the limit is for what would never end.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    restoreMocks: true,
  },
})
