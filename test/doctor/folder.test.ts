import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { examineFileSystem, examineFolder, examineSecret, examineSpace, examineSync } from '../../src/doctor/folder.ts'
import { testFolder } from '../support/folder.ts'

test('a folder that can be written to is ok, and left empty', async () => {
  const dataDir = await testFolder()
  const findings = await examineFolder(dataDir)
  expect(findings[0]).toMatchObject({ check: 'data folder', level: 'ok' })
  expect(findings.map(({ check }) => check)).toEqual(['data folder', 'file system', 'free space'])
  expect(await readdir(dataDir)).toEqual([])
})

test('a file in the place of the folder, or above it, is a failure', async () => {
  const path = join(await testFolder(), 'file')
  await writeFile(path, '')
  expect((await examineFolder(path))[0]).toMatchObject({ level: 'fail', seen: `${path} is a file` })
  expect((await examineFolder(join(path, 'data')))[0]).toMatchObject({ level: 'fail', seen: `${path} is a file` })
})

// Root may write everywhere, but not here.
test.runIf(existsSync('/proc/self/fdinfo'))('a folder that cannot be written to is a failure', async () => {
  expect((await examineFolder('/proc/self/fdinfo'))[0]).toMatchObject({
    level: 'fail',
    seen: expect.stringContaining('cannot be written to'),
  })
})

test('a slow disk is a warning', () => {
  expect(examineSync('/data', 49)).toMatchObject({ level: 'ok', seen: '/data can be written to, a sync takes 49.0 ms' })
  expect(examineSync('/data', 51)).toMatchObject({ level: 'warn' })
})

test.each([
  [0xef53, 'ok', /^ext4/],
  [0x12345678, 'ok', /0x12345678/],
  [0x6969, 'fail', /^nfs/],
  [0xff534d42, 'fail', /^cifs/],
  [0xff534d42 - 2 ** 32, 'fail', /^cifs/],
  [0x01021997, 'fail', /^9p/],
  [0x01021994, 'warn', /^tmpfs/],
  [0x794c7630, 'warn', /^overlay/],
  [0x65735546, 'warn', /^fuse/],
] as const)('a file system of the number %d is %s', (type, level, seen) => {
  expect(examineFileSystem(type)).toMatchObject({ level, seen: expect.stringMatching(seen) })
})

const gib = 2 ** 30

test.each([
  ['ok', 6 * gib, 50 * gib],
  ['warn', 4 * gib, 20 * gib],
  ['warn', 9 * gib, 100 * gib],
  ['warn', 512 * 2 ** 20, 2 * gib],
  ['fail', 512 * 2 ** 20 - 1, 2 * gib],
  ['fail', 0, 0],
] as const)('it is %s to have %d of %d bytes free', (level, freeBytes, wholeBytes) => {
  expect(examineSpace({ freeBytes, wholeBytes }).level).toBe(level)
})

test('the secret must be there where its database is, whole, and closed to others', async () => {
  const dataDir = await testFolder()
  const path = join(dataDir, 'secret')
  expect(await examineSecret(dataDir, false)).toMatchObject({ level: 'ok', seen: 'the first start makes one' })
  await writeFile(join(dataDir, 'darkroom.db'), '')
  expect(await examineSecret(dataDir, false)).toMatchObject({ level: 'warn', seen: expect.stringContaining('is gone') })
  expect(await examineSecret(dataDir, true)).toMatchObject({ level: 'ok' })
  await writeFile(path, 'a-secret-that-is-long-enough')
  await chmod(path, 0o600)
  expect(await examineSecret(dataDir, false)).toMatchObject({ level: 'ok' })
  await chmod(path, 0o644)
  expect(await examineSecret(dataDir, false)).toMatchObject({ level: 'warn', toDo: `chmod 600 ${path}` })
  await writeFile(path, 'a sentence of several words')
  expect(await examineSecret(dataDir, false)).toMatchObject({ level: 'fail', seen: expect.stringContaining('less than 16') })
  await writeFile(path, '\n')
  expect(await examineSecret(dataDir, false)).toMatchObject({ level: 'fail', seen: `${path} is empty` })
  await mkdir(join(dataDir, 'other', 'secret'), { recursive: true })
  expect(await examineSecret(join(dataDir, 'other'), false)).toMatchObject({
    level: 'fail',
    seen: expect.stringContaining('EISDIR'),
  })
})
