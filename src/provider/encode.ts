import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { SubmitInput, SubmitOrder } from '../domain/provider.ts'

/** A request body whose length is known before its first byte is read. `content` is whole where it is in memory anyway. */
export type EncodedBody = { contentType: string; sizeBytes: number; content: Buffer | (() => AsyncIterable<Uint8Array>) }

/** The fields beside the pictures, in the order in which they are sent. */
function scalarFields(order: SubmitOrder): [string, unknown][] {
  return [
    ['model', order.model],
    ['prompt', order.prompt],
    ...Object.entries(order.params),
    ...(order.n === null ? [] : [['n', order.n] satisfies [string, unknown]]),
    ...(order.callbackUrl === null
      ? [['async', true] satisfies [string, unknown]]
      : [['callback_url', order.callbackUrl] satisfies [string, unknown]]),
    ['trace_id', order.traceId],
  ]
}

function encodeJson(order: SubmitOrder): EncodedBody {
  const urls = (role: SubmitInput['role']): string[] =>
    order.inputs.filter(input => input.role === role).map(input => (input.kind === 'url' ? input.url : notAUrl()))
  const images = urls('image')
  const [mask] = urls('mask')
  const fields: [string, unknown][] = [
    ...scalarFields(order),
    ['image', images.length === 1 ? images[0] : images],
    ...(mask === undefined ? [] : [['mask', mask] satisfies [string, unknown]]),
  ]
  const bytes = Buffer.from(JSON.stringify(Object.fromEntries(fields)))
  return { contentType: 'application/json', sizeBytes: bytes.length, content: bytes }
}

function notAUrl(): never {
  throw new Error('a file cannot go in a JSON body: the request was planned wrongly')
}

/** Quotes a name as browsers do (WHATWG HTML, multipart/form-data encoding algorithm). */
function quoted(name: string): string {
  return `"${name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')}"`
}

function asFormText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const extensions: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' }

type Part = { head: Buffer; body: { bytes: Buffer } | { path: string; sizeBytes: number } }

function encodeMultipart(order: SubmitOrder): EncodedBody {
  const boundary = `darkroom-${randomBytes(16).toString('hex')}`
  const head = (disposition: string, contentType: string | null): Buffer =>
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n${contentType === null ? '' : `Content-Type: ${contentType}\r\n`}\r\n`,
    )
  const text = (name: string, value: unknown): Part => ({
    head: head(`name=${quoted(name)}`, null),
    body: { bytes: Buffer.from(asFormText(value)) },
  })
  // A list goes as forms hold one: the same name again and again.
  const texts = ([name, value]: [string, unknown]): Part[] =>
    Array.isArray(value) ? value.map(item => text(name, item)) : [text(name, value)]
  const imageField = order.inputs.filter(input => input.role === 'image').length > 1 ? 'image[]' : 'image'
  const picture = (input: SubmitInput, index: number): Part => {
    const name = input.role === 'mask' ? 'mask' : imageField
    if (input.kind === 'url') return text(name, input.url)
    const filename = `${input.role}-${index}.${extensions[input.contentType] ?? 'bin'}`
    return { head: head(`name=${quoted(name)}; filename=${quoted(filename)}`, input.contentType), body: input }
  }
  const parts = [...scalarFields(order).flatMap(texts), ...order.inputs.map(picture)]
  const lineEnd = Buffer.from('\r\n')
  const tail = Buffer.from(`--${boundary}--\r\n`)
  const partSize = ({ head: start, body }: Part): number =>
    start.length + ('bytes' in body ? body.bytes.length : body.sizeBytes) + lineEnd.length
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    sizeBytes: parts.reduce((sum, part) => sum + partSize(part), tail.length),
    content: async function* () {
      for (const part of parts) {
        yield part.head
        if ('bytes' in part.body) yield part.body.bytes
        else yield* createReadStream(part.body.path)
        yield lineEnd
      }
      yield tail
    },
  }
}

/** Encodes a submit as its model takes it. Files are read from the disk while they are sent. */
export function encode(order: SubmitOrder): EncodedBody {
  return order.body === 'json' ? encodeJson(order) : encodeMultipart(order)
}
