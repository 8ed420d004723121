import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import sharp from 'sharp'
import { onTestFinished } from 'vitest'
import { downloadFromAnywhere } from '../../src/sandbox/download.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts'

/** A sandbox that is quick, and gone when the test is over. */
export async function openSandbox(options: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ port: 0, delayMs: 5, faults: [], fetchPicture: downloadFromAnywhere, ...options })
  onTestFinished(() => sandbox.close())
  return sandbox
}

export type Arrival = { url: string; method: string; headers: IncomingHttpHeaders; text: string; chunks: number }
export type Receiver = { url: string; arrivals: Arrival[]; close(): Promise<void> }

/** A server that callbacks go to, or pictures come from; it answers 200 with nothing, unless told otherwise. */
export async function openReceiver(
  answer: (arrival: Arrival, response: ServerResponse) => void = (_, response) => response.end(),
): Promise<Receiver> {
  const arrivals: Arrival[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', method = '', headers } = request
      const arrival = { url, method, headers, text: Buffer.concat(chunks).toString(), chunks: chunks.length }
      arrivals.push(arrival)
      answer(arrival, response)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(() => resolve()))
  }
  onTestFinished(close)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the receiver does not listen on a port')
  return { url: `http://127.0.0.1:${address.port}`, arrivals, close }
}

export type Colour = { r: number; g: number; b: number; alpha?: number }
export const white: Colour = { r: 255, g: 255, b: 255 }

/** A picture of one colour. */
export function plain(width: number, height: number, background: Colour = white): Promise<Buffer> {
  return sharp({ create: { width, height, channels: background.alpha === undefined ? 3 : 4, background } })
    .png()
    .toBuffer()
}

export type Field = string | Buffer
/** A form: texts, and files as buffers; a field may occur more than once. */
export function formOf(fields: readonly (readonly [string, Field])[]): FormData {
  const form = new FormData()
  for (const [name, value] of fields) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, new Blob([new Uint8Array(value)], { type: 'image/png' }), `${name}.png`)
  }
  return form
}

/** Submits a form with one white picture, and these fields besides. */
export async function submitFile(sandbox: Sandbox, fields: Readonly<Record<string, Field>>): Promise<Response> {
  const all = { model: 'gpt-image-2', prompt: 'make it dark', image: await plain(60, 40), ...fields }
  return fetch(`${sandbox.baseUrl}/openai/images/edits`, { method: 'POST', body: formOf(Object.entries(all)) })
}

export function submitForm(sandbox: Sandbox, fields: readonly (readonly [string, Field])[]): Promise<Response> {
  return fetch(`${sandbox.baseUrl}/openai/images/edits`, { method: 'POST', body: formOf(fields) })
}

export function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
}

export function submitJson(sandbox: Sandbox, body: object): Promise<Response> {
  return postJson(`${sandbox.baseUrl}/openai/images/edits`, { model: 'gpt-image-2', prompt: 'make it dark', ...body })
}

/** What the tasks endpoint answers. */
export async function askTasks(sandbox: Sandbox, body: object): Promise<unknown> {
  return (await postJson(`${sandbox.baseUrl}/openai/tasks`, body)).json()
}

/** The record of the only task of the sandbox. */
export async function onlyRecord(sandbox: Sandbox): Promise<unknown> {
  return askTasks(sandbox, { action: 'retrieve', id: sandbox.submits.at(-1)?.taskId })
}

/** What lies under this path in a JSON value; undefined where there is nothing. */
export function dig(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, key) => {
    if (typeof inner !== 'object' || inner === null) return undefined
    return Object.entries(inner).find(([name]) => name === String(key))?.[1]
  }, value)
}

export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const text = dig(value, ...path)
  if (typeof text !== 'string') throw new Error(`no text at ${path.join('.')} of ${JSON.stringify(value)}`)
  return text
}

/** The picture of a held answer, whether it came as a URL or as base64. */
export async function pictureOf(response: Response, index = 0): Promise<Buffer> {
  const item = dig(await response.json(), 'data', index)
  const base64 = dig(item, 'b64_json')
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  return Buffer.from(await (await fetch(textAt(item, 'url'))).arrayBuffer())
}

/** Format, size and the mean of each channel. */
export async function look(picture: Buffer): Promise<{ format: string; size: string; means: number[] }> {
  const { format, width, height } = await sharp(picture).metadata()
  const { channels } = await sharp(picture).stats()
  return { format, size: `${width}x${height}`, means: channels.map(channel => Math.round(channel.mean)) }
}

/** The colour of one pixel. */
export async function pixelAt(picture: Buffer, left: number, top: number): Promise<number[]> {
  const pixel = await sharp(picture).extract({ left, top, width: 1, height: 1 }).removeAlpha().raw().toBuffer()
  return [...pixel]
}
