import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { testFolder } from './support/folder.ts'
import { startTestService } from './support/service.ts'

const run = promisify(execFile)
const packages = ['requests==2.34.2', 'httpx==0.28.1']
const cache = join(import.meta.dirname, '..', 'node_modules', '.cache')
const home = join(cache, `python-${packages.join('-')}`)
const python = join(home, 'bin', 'python3')
const hasPython = spawnSync('python3', ['-c', 'import venv, ensurepip']).status === 0
let isReady = false

/** Sends the whole body before it looks for an answer, as these clients do; prints what it then sees. */
const program = `
import json, sys
client, url = sys.argv[1:]
body = b'{"prompt": "' + b'a' * (60 * 2**20) + b'"}'
headers = {"content-type": "application/json"}
for _ in range(3):
    if client == "requests":
        import requests
        answer = requests.post(url, data=body, headers=headers, timeout=60)
        print(answer.status_code, answer.json()["error"]["code"])
    elif client == "httpx":
        import httpx
        answer = httpx.post(url, content=body, headers=headers, timeout=60)
        print(answer.status_code, answer.json()["error"]["code"])
    else:
        import urllib.error, urllib.request
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            print(error.code, json.load(error)["error"]["code"])
`

beforeAll(async () => {
  if (!hasPython) return console.warn('there is no python3 with venv: tests with Python clients are skipped')
  if (!existsSync(home)) {
    const made = await mkdtemp(`${home}-`).catch(() => testFolder())
    try {
      await run('python3', ['-m', 'venv', made])
      await run(join(made, 'bin', 'python3'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages])
      await rename(made, home)
    } catch {
      await rm(made, { recursive: true, force: true })
      return console.warn(`${packages.join(' ')} cannot be installed: tests with Python clients are skipped`)
    }
  }
  isReady = true
}, 300_000)

for (const client of ['requests', 'httpx', 'urllib']) {
  test(`${client} sees the answer to a body of 60 MB that is refused at once`, async context => {
    if (!isReady) return context.skip()
    const service = await startTestService()
    const file = join(await testFolder(), 'send.py')
    await writeFile(file, program)
    const { stdout } = await run(python, [file, client, `${service.url}/jobs`])
    expect(stdout).toBe('413 payload_too_large\n'.repeat(3))
  })
}

test('curl sees the answer to a form of 60 MB whose file has a wrong name', async context => {
  if (spawnSync('curl', ['--version']).status !== 0) return context.skip()
  const service = await startTestService()
  const file = join(await testFolder(), 'zeros')
  await writeFile(file, Buffer.alloc(60 * 2 ** 20))
  const { stdout } = await run('curl', [
    '-s',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '-F',
    `wrong=@${file}`,
    `${service.url}/jobs`,
  ])
  expect(stdout).toBe('400')
})
