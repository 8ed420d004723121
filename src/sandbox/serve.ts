import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import type { FastifyReply } from 'fastify'
import type { FaultName } from './faults.ts'
import { refusal, sendRefusal } from './refusal.ts'
import type { Served, Shelf } from './shelf.ts'
import { standInOf } from './stand-ins.ts'

/** How many downloads the faults that end in `-first` befall. */
const firstDownloads = 2
const trickleEveryMs = 1_000

/** What answers the first downloads in the place of the picture. */
const firstAnswers: Partial<Record<FaultName, number>> = { '404-first': 404, '403-first': 403, '202-first': 202 }

function statusInPlace({ faults, downloads }: Served): number | null {
  if (faults.has('404-picture')) return 404
  if (downloads > firstDownloads) return null
  for (const fault of faults) {
    const status = firstAnswers[fault]
    if (status !== undefined) return status
  }
  return null
}

/** Sends a picture of a result, or what a fault puts in its place. */
export function sendPicture(shelf: Shelf, name: string, reply: FastifyReply): FastifyReply {
  const served = shelf.serve(name)
  if (served === undefined) return sendRefusal(reply, refusal(404, 'no_api', 'no such picture'))
  const status = statusInPlace(served)
  if (status !== null) return reply.code(status).type('application/xml').send('<Error><Code>NoSuchKey</Code></Error>')
  const standIn = standInOf(served.faults)
  if (standIn !== null) return reply.type(standIn.type).send(standIn.bytes)
  const { faults, picture } = served
  void reply.type(picture.contentType)
  if (faults.has('trickle-picture')) return reply.send(Readable.from(trickle(picture.path), { objectMode: false }))
  if (faults.has('gzip-picture'))
    return reply.header('content-encoding', 'gzip').send(createReadStream(picture.path).pipe(createGzip()))
  if (faults.has('odd-encoding')) void reply.header('content-encoding', 'utf-8')
  return reply.header('content-length', picture.sizeBytes).send(createReadStream(picture.path))
}

async function* trickle(path: string): AsyncGenerator<Buffer, void, undefined> {
  for await (const byte of createReadStream(path, { highWaterMark: 1 })) {
    yield byte
    await pause(trickleEveryMs, undefined, { ref: false })
  }
}
