import { defineConfig } from 'vitest/config'

/** What takes minutes: processes that are killed, lines that trickle, disks that fill up. One after the other, for they use the whole machine. */
export default defineConfig({
  test: {
    include: ['test/faults/*.faults.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    // These only end what hangs, as in vitest.config.ts.
    testTimeout: 1_800_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 240_000 } },
  },
})
