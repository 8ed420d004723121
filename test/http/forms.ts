export type Part = { name?: string; filename?: string; type?: string; body: string | Buffer; headers?: readonly string[] }

const boundary = 'a-boundary'
export const formType = `multipart/form-data; boundary=${boundary}`

/** A part as it stands in a form; `headers` replace those that would be made. */
export function partOf(part: Part): Buffer {
  const name = part.name === undefined ? '' : `; name="${part.name}"`
  const filename = part.filename === undefined ? '' : `; filename="${part.filename}"`
  const type = part.type === undefined ? [] : [`Content-Type: ${part.type}`]
  const headers = part.headers ?? [`Content-Disposition: form-data${name}${filename}`, ...type]
  return Buffer.concat([
    Buffer.from(`--${boundary}\r\n${headers.join('\r\n')}\r\n\r\n`, 'latin1'),
    Buffer.from(part.body),
    Buffer.from('\r\n'),
  ])
}

/** A form byte by byte, for what no client's library would send. */
export function rawForm(parts: readonly Part[], end = `--${boundary}--\r\n`): Buffer {
  return Buffer.concat([...parts.map(partOf), Buffer.from(end)])
}

export const prompt: Part = { name: 'prompt', body: 'dark mode' }
export const imageOf = (bytes: Buffer, filename = 'in.png'): Part => ({
  name: 'image',
  filename,
  type: 'image/png',
  body: bytes,
})
