import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { faultNames, startSandbox } from '../../src/sandbox/sandbox.ts'
import { dig, openReceiver, openSandbox, submitFile } from './setting.ts'

/** A folder for temporary files that no other test uses, and what the sandboxes of this test have left in it. */
async function ownTemporaryFolder(): Promise<() => Promise<string[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'life-test-'))
  vi.stubEnv('TMPDIR', folder)
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  })
  return () => readdir(folder)
}

describe('closing', () => {
  test('ends within a second with submits held, hung and half sent, and callbacks unanswered', async () => {
    const called = Promise.withResolvers<void>()
    const receiver = await openReceiver(() => called.resolve())
    const sandbox = await openSandbox()
    await submitFile(sandbox, { callback_url: receiver.url })
    await called.promise
    const held = submitFile(sandbox, { prompt: 'fault:empty' }).catch(() => 'cut off')
    const hung = submitFile(sandbox, { prompt: 'fault:hang' }).catch(() => 'cut off')
    const socket = connect(Number(new URL(sandbox.url).port), '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    socket.write(
      'POST /v1/openai/images/edits HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    )
    await expect.poll(() => sandbox.charges).toBe(3)

    // The two that are held would never end by themselves.
    await sandbox.close()
    expect(await Promise.all([held, hung])).toEqual(['cut off', 'cut off'])
    await sandbox.settled()
    await sandbox.close()
  })

  test('calls off what is still to come, and removes the pictures', async () => {
    const foldersLeft = await ownTemporaryFolder()
    const receiver = await openReceiver()
    const sandbox = await startSandbox({ port: 0, delayMs: 60_000, faults: [] })
    await submitFile(sandbox, { callback_url: receiver.url })
    expect(await foldersLeft()).toHaveLength(1)
    await sandbox.close()
    await sandbox.settled()
    expect(receiver.arrivals).toEqual([])
    expect(await foldersLeft()).toEqual([])
    await expect(fetch(sandbox.url)).rejects.toThrow('fetch failed')
  })
})

test('a port that is taken is an error, and leaves no folder', async () => {
  const sandbox = await openSandbox()
  const foldersLeft = await ownTemporaryFolder()
  await expect(startSandbox({ port: Number(new URL(sandbox.url).port), delayMs: 1, faults: [] })).rejects.toThrow('EADDRINUSE')
  expect(await foldersLeft()).toEqual([])
})

test('what was sent in is removed when the result is there, what was refused at once', async () => {
  const foldersLeft = await ownTemporaryFolder()
  const sandbox = await openSandbox()
  await submitFile(sandbox, { size: '1x1' })
  await submitFile(sandbox, { prompt: 'fault:empty', async: 'true' })
  await submitFile(sandbox, { image: Buffer.from('hello') })
  await submitFile(sandbox, { model: 'gpt-image-1' })
  await sandbox.settled()
  const [folder = ''] = await foldersLeft()
  expect(await readdir(join(tmpdir(), folder))).toEqual([`${sandbox.submits.at(-1)?.taskId}_0.png`])
})

test('the first page says what it is and which faults there are', async () => {
  const sandbox = await openSandbox()
  const page: unknown = await (await fetch(sandbox.url)).json()
  expect(dig(page, 'name')).toBe('darkroom sandbox')
  expect(Object.keys(Object(dig(page, 'faults', 'names')))).toEqual(faultNames)
})

test('what is logged tells what happened, but neither prompt nor callback URL', async () => {
  const lines: object[] = []
  const [sandbox, receiver] = [await openSandbox({ onLog: line => lines.push(line) }), await openReceiver()]
  await submitFile(sandbox, { prompt: 'dark secret', callback_url: `${receiver.url}/token` })
  await sandbox.settled()
  expect(lines).toMatchObject([
    { event: 'submit.answered', outcome: 'accepted' },
    { event: 'task.finished' },
    { event: 'callback.sent', status: 200 },
  ])
  expect(JSON.stringify(lines)).not.toMatch(/secret|token/)
})

/** Runs the sandbox as a process of its own. */
function start(environment: Record<string, string>) {
  const child = spawn(process.execPath, ['src/sandbox/main.ts'], {
    env: { PATH: process.env['PATH'], SANDBOX_PORT: '0', ...environment },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface(child.stdout).on('line', line => lines.push(line))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  return { child, lines, errors: () => errors, exit: once(child, 'exit') }
}

describe('on its own', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('says where it listens and how to use it, and ends on %s with 0', async signal => {
    const { child, lines, exit } = start({ SANDBOX_FAULTS: 'moderation' })
    await expect
      .poll(() => lines.join('\n'))
      .toMatch(/PROVIDER=xhuoapi PROVIDER_API_KEY=anything PROVIDER_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1/)
    const baseUrl = /PROVIDER_BASE_URL=(\S+)/.exec(lines.join('\n'))?.[1] ?? ''
    const body = JSON.stringify({ model: 'gpt-image-2', prompt: 'dark', image: 'http://127.0.0.1:1/' })
    const response = await fetch(`${baseUrl}/openai/images/edits`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(response.status).toBe(403)
    child.kill(signal)
    expect(await exit).toEqual([0, null])
  })

  test.each([
    [{ SANDBOX_FAULTS: 'lots' }, /lost, doubled/],
    [{ SANDBOX_DELAY_MS: 'soon' }, /SANDBOX_DELAY_MS/],
    [{ SANDBOX_PORT: '99999' }, /SANDBOX_PORT/],
  ])('with %j it says what is wrong, and ends with 1', async (environment, message) => {
    const { errors, exit } = start(environment)
    expect(await exit).toEqual([1, null])
    expect(errors()).toMatch(message)
  })
})
