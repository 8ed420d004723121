import { randomBytes } from 'node:crypto'
import { link, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What SECRET asks of each, too. */
const leastLength = 16

/** A sentence is not silently taken for its first word. */
export class ShortSecret extends Error {
  override readonly name = 'ShortSecret'

  constructor(path: string) {
    super(`${path} holds a secret of less than ${leastLength} characters`)
  }
}

/**
 * The secrets in a file, newest first, as SECRET has them: with white space between. Empty where there is no file, or nothing in it.
 * @throws ShortSecret where one has less than 16 characters.
 */
export async function readSecrets(path: string): Promise<string[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  const secrets = text.split(/\s+/).filter(one => one !== '')
  if (secrets.some(one => one.length < leastLength)) throw new ShortSecret(path)
  return secrets
}

/**
 * The secrets of this installation, newest first: read, or one made at the first start and kept, readable by its owner only. It
 * appears under its name whole or not at all, and once: of two processes that start together, one makes it and both read it.
 */
export async function loadSecrets(path: string): Promise<string[]> {
  const found = await readSecrets(path)
  if (found.length > 0) return found
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(`${randomBytes(32).toString('base64url')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(temporary, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await unlink(temporary)
  }
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
  const made = await readSecrets(path)
  if (made.length === 0) throw new Error(`the secret in ${path} is empty: remove the file, or put one into it`)
  return made
}
