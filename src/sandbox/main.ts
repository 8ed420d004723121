import { downloadFromAnywhere } from './download.ts'
import { parseFaults } from './faults.ts'
import { startSandbox } from './sandbox.ts'

/** Reads a whole number out of the environment. */
function readNumber(name: string, fallback: number, max: number): number {
  const text = process.env[name]?.trim() || String(fallback)
  if (!/^\d+$/.test(text) || Number(text) > max) throw new Error(`${name} must be a whole number from 0 to ${max}`)
  return Number(text)
}

async function main(): Promise<void> {
  const sandbox = await startSandbox({
    port: readNumber('SANDBOX_PORT', 8787, 65_535),
    delayMs: readNumber('SANDBOX_DELAY_MS', 2000, 3_600_000),
    faults: parseFaults(process.env['SANDBOX_FAULTS'] ?? ''),
    // A tool for one's own machine, where the pictures may be too.
    fetchPicture: downloadFromAnywhere,
    onLog: line => console.log(JSON.stringify(line)),
  })
  console.log(`The sandbox listens on ${sandbox.baseUrl}; its faults are listed on ${sandbox.url}/`)
  console.log('To point darkroom at it:')
  console.log(`  PROVIDER=xhuoapi PROVIDER_API_KEY=anything PROVIDER_BASE_URL=${sandbox.baseUrl} npm start`)

  const stop = (): void => {
    void sandbox.close().then(() => process.exit(0))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
