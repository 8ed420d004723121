import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { testFolder } from './folder.ts'
import { freePort } from './process.ts'

const root = join(import.meta.dirname, '..', '..')
const shipped = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Replaces a text of a shipped file that has to be there. */
function replace(text: string, part: string, by: string): string {
  if (!text.includes(part)) throw new Error(`the shipped file no longer has ${JSON.stringify(part)}`)
  return text.replaceAll(part, by)
}

export type ProxyName = 'caddy' | 'nginx'

function isThere(name: ProxyName): boolean {
  const found = spawnSync(name, [name === 'caddy' ? 'version' : '-v']).status === 0
  if (!found) console.warn(`there is no ${name}: tests behind it are skipped`)
  return found
}

/** The proxies that are installed here. */
export const proxies: readonly { name: ProxyName; isInstalled: boolean }[] = (['caddy', 'nginx'] as const).map(name => ({
  name,
  isInstalled: isThere(name),
}))

/** Starts a real proxy before a service, by the file that we ship; gives its URL. It ends with the test. */
export async function startProxy(name: ProxyName, serviceUrl: string): Promise<string> {
  const folder = await testFolder()
  const upstream = new URL(serviceUrl).host
  const url = `http://127.0.0.1:${await freePort()}`
  const file = join(folder, 'config')
  let child: ChildProcess
  if (name === 'caddy') {
    writeFileSync(file, `{\n\tadmin off\n}\n${replace(shipped('Caddyfile'), 'darkroom:{$PORT:3000}', upstream)}`)
    const env = { PATH: process.env['PATH'], HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, PUBLIC_URL: url }
    child = spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  } else {
    let text = replace(shipped('deploy/nginx.conf'), '127.0.0.1:3000', upstream)
    text = replace(text, 'listen 443 ssl;', `listen ${new URL(url).host};`)
    text = text.replaceAll(/^\s*ssl_certificate.*$/gm, '')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map(kind => `${kind}_temp_path ${join(folder, kind)};`)
      .join('\n')
    const outer = `daemon off; master_process off; worker_processes 1; pid ${join(folder, 'pid')}; error_log stderr;`
    writeFileSync(file, `${outer}\nevents {}\nhttp {\n${temporary}\n${text}\n}\n`)
    child = spawn('nginx', ['-p', folder, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  while (!(await answers(url))) if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`)
  return url
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`)).ok
  } catch {
    // Refused: it does not listen yet.
    return new Promise(resolve => setImmediate(() => resolve(false)))
  }
}
