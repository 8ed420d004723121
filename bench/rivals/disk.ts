import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'

const pieceBytes = 2 ** 20

/** How long the disk itself takes to write some bytes so many times, each into a new file that is synced, one after the other. In ms. */
export async function writeAndSync(folder: string, bytes: Buffer, files: number): Promise<number> {
  const paths = Array.from({ length: files }, (_, index) => join(folder, `plain-${index}`))
  const startedAt = performance.now()
  for (const path of paths) {
    const file = await open(path, 'wx')
    for (let at = 0; at < bytes.length; at += pieceBytes) await file.write(bytes, at, Math.min(pieceBytes, bytes.length - at))
    await file.datasync()
    await file.close()
  }
  const durationMs = performance.now() - startedAt
  for (const path of paths) await rm(path)
  return durationMs
}
