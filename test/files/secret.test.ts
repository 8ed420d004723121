import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadSecrets, ShortSecret } from '../../src/files/secret.ts'
import { everythingIn, newFolder, rejection } from './folder.ts'

test('the first start makes a secret, for its owner only, and every later one reads it', async () => {
  const folder = await newFolder()
  const path = join(folder, 'secret')
  const [made, ...more] = await loadSecrets(path)
  expect([made, more]).toEqual([expect.stringMatching(/^[\w-]{43}$/), []])
  expect(await loadSecrets(path)).toEqual([made])
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await everythingIn(folder)).toEqual(['secret'])
})

test('of several that start together, one makes it and all have the same', async () => {
  const path = join(await newFolder(), 'secret')
  const all = await Promise.all(Array.from({ length: 8 }, () => loadSecrets(path)))
  expect(new Set(all.map(String)).size).toBe(1)
})

test('a file may hold several, newest first, with any white space between them', async () => {
  const path = join(await newFolder(), 'secret')
  await writeFile(path, ' the-new-one-of-all \n the-one-before-that\tand-the-oldest-of-them\r\n')
  expect(await loadSecrets(path)).toEqual(['the-new-one-of-all', 'the-one-before-that', 'and-the-oldest-of-them'])
})

test('one that is too short is refused, and is in no message', async () => {
  const path = join(await newFolder(), 'secret')
  await writeFile(path, 'correct horse battery staple')
  const error = await rejection(loadSecrets(path))
  expect(error).toBeInstanceOf(ShortSecret)
  expect(String(error)).not.toMatch(/horse/)
})

test('an empty file is a mistake, and is not replaced', async () => {
  const path = join(await newFolder(), 'secret')
  await writeFile(path, '\n')
  expect(String(await rejection(loadSecrets(path)))).toContain('is empty')
})
