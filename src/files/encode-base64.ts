import { createReadStream } from 'node:fs'

/** The length of so many bytes as base64, padding included. */
export function base64Length(sizeBytes: number): number {
  return 4 * Math.ceil(sizeBytes / 3)
}

/** Reads a file as base64, a piece at a time: whole groups of three bytes, whatever pieces the disk gives. */
export async function* readAsBase64(path: string): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(path, { highWaterMark: 3 * 32_768 })) {
    const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const whole = bytes.length - (bytes.length % 3)
    if (whole > 0) yield Buffer.from(bytes.toString('base64', 0, whole), 'latin1')
    rest = bytes.subarray(whole)
  }
  if (rest.length > 0) yield Buffer.from(rest.toString('base64'), 'latin1')
}
