import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { FastifyRequest } from 'fastify'
import { type FormFile, readForm } from './form.ts'

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
const formLimits = { fileSize: maxImageBytes, files: 64, fields: 200, fieldSize: 1024 * 1024 }

/** Reads a submit of either kind. Its files go to `folder`, also those of a body that turns out to be unusable. */
export async function receive(request: FastifyRequest, folder: string): Promise<Received> {
  const isForm = /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')
  return isForm ? receiveForm(request, folder) : receiveJson(request.body)
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
  /** In the order of the form, which files may come to their end in another. */
  const inputs: { name: string; input: Promise<Input> }[] = []
  let problem: string | null = null
  const handlers = {
    text(fieldName: string, value: string): void {
      const name = fieldName.replace(/\[\]$/, '')
      if (name === 'image' || name === 'mask') inputs.push({ name, input: Promise.resolve({ kind: 'url', url: value }) })
      else fields.set(fieldName, value)
    },
    async file(fieldName: string, file: FormFile): Promise<void> {
      const name = fieldName.replace(/\[\]$/, '')
      if (name !== 'image' && name !== 'mask') {
        file.stream.resume()
        fields.set(fieldName, '<file>')
        return
      }
      const input = store(file, folder)
      inputs.push({ name, input })
      await input
      if (file.stream.truncated) problem = `a file may have ${maxImageBytes} bytes at most`
    },
  }
  try {
    await readForm(request.raw, handlers, formLimits)
  } catch (error) {
    problem = error instanceof Error ? error.message : 'the form could not be read'
  }
  const stored = (await Promise.allSettled(inputs.map(async ({ name, input }) => ({ name, input: await input }))))
    .filter(one => one.status === 'fulfilled')
    .map(one => one.value)
  const inputsOf = (name: string): Input[] => stored.filter(one => one.name === name).map(one => one.input)
  return {
    via: 'form',
    fields: Object.fromEntries(fields),
    images: inputsOf('image'),
    mask: inputsOf('mask').at(-1) ?? null,
    problem,
  }
}

async function store({ stream, filename, contentType }: FormFile, folder: string): Promise<Input> {
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
  await pipeline(stream, measured, createWriteStream(path))
  return { kind: 'file', path, bytes, sha256: hash.digest('hex'), filename, contentType }
}
