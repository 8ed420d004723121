import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pictureOf } from '../stand-ins/picture-host.ts'

export const mebibyte = 2 ** 20

export type BigBody = { name: string; body: Buffer; picture: Buffer; sha256: string }

/** The body of a callback that brings its picture along in base64, of so many MB in all. */
export function bigBody(sizeMb: number): BigBody {
  const [start, end] = ['{"success":true,"task_id":"cb104e35","data":{"created":1777048863,"data":[{"b64_json":"', '"}]}}']
  const pictureBytes = Math.floor((sizeMb * mebibyte - start.length - end.length) / 4) * 3
  const picture = pictureOf(pictureBytes, randomBytes(pictureBytes))
  const body = Buffer.concat([Buffer.from(start), Buffer.from(picture.toString('base64')), Buffer.from(end)])
  return { name: `${sizeMb} MB`, body, picture, sha256: createHash('sha256').update(picture).digest('hex') }
}

/** Looks at the one picture that there must be in a folder, and removes it. @throws Error where it is not what was sent. */
export async function takePicture(folder: string, sha256: string): Promise<void> {
  const names = await readdir(folder)
  const [name] = names
  if (name === undefined || names.length > 1) throw new Error(`there are ${names.length} files in ${folder}, one was expected`)
  const found = createHash('sha256')
    .update(await readFile(join(folder, name)))
    .digest('hex')
  if (found !== sha256) throw new Error(`${join(folder, name)} does not hold the bytes that were sent`)
  await rm(folder, { recursive: true })
}
