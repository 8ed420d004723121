import { once } from 'node:events'
import { createServer } from 'node:http'

export type PictureHost = {
  url: string
  /** Answers from now on, and what waits. */
  answer(): void
  close(): Promise<void>
}

/**
 * Where the pictures of results lie. It keeps silent until it is told to answer: the service copies four at a time, and for as
 * long as those wait, copying costs nothing, and receiving is measured alone.
 */
export async function startPictureHost(picture: Buffer): Promise<PictureHost> {
  let answers = false
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const send = (): void => void response.writeHead(200, { 'content-type': 'image/png' }).end(picture)
    if (answers) return send()
    waiting.add(send)
    request.once('close', () => waiting.delete(send))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}`,
    answer() {
      answers = true
      for (const send of waiting) send()
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Bytes that begin as a PNG does, and go on at random: as hard to compress, and as long, as a real one. */
export function pictureOf(sizeBytes: number, filler: Buffer): Buffer {
  const start = Buffer.from('89504e470d0a1a0a0000000d4948445200000400000006000802000000', 'hex')
  return Buffer.concat([start, filler.subarray(0, sizeBytes - start.length)])
}
