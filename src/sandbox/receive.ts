import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyRequest } from 'fastify'

/** A picture as it was sent in: a URL that is still to be fetched, or a file that lies in the sandbox's folder. */
export type Input =
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly bytes: number
      readonly sha256: string
      readonly filename: string
      readonly contentType: string
    }

/** A submit's body, read to its end. */
export type Received = {
  readonly via: 'json' | 'form'
  /** Everything but `image` and `mask`, as it was sent: form fields are texts. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly images: readonly Input[]
  readonly mask: Input | null
  /** What makes the body unusable, where something does. */
  readonly problem: string | null
}

export const maxImageBytes = 50 * 1024 * 1024
const formLimits = { fileSize: maxImageBytes, files: 64, fields: 200, fieldSize: 1024 * 1024, parts: 264 }

/** Reads a submit of either kind. Its files go to `folder`, also those of a body that turns out to be unusable. */
export async function receive(request: FastifyRequest, folder: string): Promise<Received> {
  return request.isMultipart() ? receiveForm(request, folder) : receiveJson(request.body)
}

function receiveJson(body: unknown): Received {
  const nothing = { via: 'json', fields: {}, images: [], mask: null } as const
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { ...nothing, problem: 'the body must be a JSON object' }
  const { image, mask, ...fields }: Record<string, unknown> = { ...body }
  const given = image === undefined || image === null ? [] : [image].flat()
  const urls = given.filter(url => typeof url === 'string')
  return {
    via: 'json',
    fields,
    images: urls.map(url => ({ kind: 'url', url })),
    mask: typeof mask === 'string' ? { kind: 'url', url: mask } : null,
    problem: urls.length === given.length ? null : 'image must be a URL or an array of URLs',
  }
}

async function receiveForm(request: FastifyRequest, folder: string): Promise<Received> {
  const fields = new Map<string, unknown>()
  const images: Input[] = []
  let mask: Input | null = null
  let problem: string | null = null
  try {
    for await (const part of request.parts({ limits: formLimits })) {
      const name = part.fieldname.replace(/\[\]$/, '')
      if (part.type === 'file' && name !== 'image' && name !== 'mask') {
        part.file.resume()
        fields.set(part.fieldname, '<file>')
      } else if (part.type === 'file') {
        const file = await store(part, folder)
        if (name === 'image') images.push(file)
        else mask = file
        if (part.file.truncated) problem = `a file may have ${maxImageBytes} bytes at most`
      } else if (name === 'image' && typeof part.value === 'string') images.push({ kind: 'url', url: part.value })
      else if (name === 'mask' && typeof part.value === 'string') mask = { kind: 'url', url: part.value }
      else fields.set(part.fieldname, part.value)
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : 'the form could not be read'
  }
  return { via: 'form', fields: Object.fromEntries(fields), images, mask, problem }
}

async function store(part: MultipartFile, folder: string): Promise<Input> {
  const path = join(folder, `in-${randomUUID()}`)
  const hash = createHash('sha256')
  let bytes = 0
  const measured = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of chunks) {
      hash.update(chunk)
      bytes += chunk.length
      yield chunk
    }
  }
  await pipeline(part.file, measured, createWriteStream(path))
  return { kind: 'file', path, bytes, sha256: hash.digest('hex'), filename: part.filename, contentType: part.mimetype }
}
