import { defineConfig } from 'vitest/config'

/** What takes minutes: processes that are killed, lines that trickle, disks that fill up. One after the other, for they use the whole machine. */
export default defineConfig({
  test: {
    include: ['test/faults/*.faults.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 30_000,
  },
})
