import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDisk } from '../../src/files/disk.ts'
import { aMegabyte, everythingIn, newDisk, newFolder, rejection, store } from './folder.ts'

describe('a disk', () => {
  test('makes its own folder where it is missing', async () => {
    const root = join(await newFolder(), 'a', 'b')
    const disk = await openDisk(root)
    await store(disk, 'job', Buffer.from('x'))
    expect((await stat(root)).mode & 0o777).toBe(0o700)
  })

  test('takes no name that could lead out of a job’s folder', async () => {
    const { disk } = await newDisk()
    for (const name of ['', '.', '..', '.hidden', '../x', 'a/b', 'a\\b', 'a\0', 'ä', 'a b', 'x\n']) {
      expect(() => disk.pathOf(name, 'out')).toThrow(TypeError)
      expect(() => disk.pathOf('job', name)).toThrow(TypeError)
      expect(() => disk.create(name, 'out')).toThrow(TypeError)
      expect(() => disk.create('job', name)).toThrow(TypeError)
      expect(await rejection(disk.remove('job', name))).toBeInstanceOf(TypeError)
      expect(await rejection(disk.removeJob(name))).toBeInstanceOf(TypeError)
      expect(await rejection(disk.files(name))).toBeInstanceOf(TypeError)
      expect(await rejection(disk.link('job', name, 'other'))).toBeInstanceOf(TypeError)
    }
  })

  test('removes a file, and the folder with the last one; what is not there is no error', async () => {
    const { root, disk } = await newDisk()
    const one = await store(disk, 'job', Buffer.from('one'))
    const two = await store(disk, 'job', Buffer.from('two'))
    await disk.remove('job', one.name)
    await disk.remove('job', one.name)
    expect(await everythingIn(root)).toEqual(['job', `job/${two.name}`])
    await disk.remove('job', two.name)
    await disk.remove('job', two.name)
    expect(await everythingIn(root)).toEqual([])
  })

  test('removes a job with all its files; one that is not there is no error', async () => {
    const { root, disk } = await newDisk()
    await store(disk, 'job', Buffer.from('one'))
    const other = await store(disk, 'other', Buffer.from('two'))
    await disk.removeJob('job')
    await disk.removeJob('job')
    expect(await everythingIn(root)).toEqual(['other', `other/${other.name}`])
  })

  test('lists the jobs and their files, half-written ones too', async () => {
    const { root, disk } = await newDisk()
    const file = await store(disk, 'one', Buffer.from('x'))
    await mkdir(join(root, 'two'))
    await writeFile(join(root, 'two', '.out-0.part'), 'half')
    await writeFile(join(root, 'not-a-job'), '')
    const jobIds: string[] = []
    for await (const jobId of disk.jobIds()) jobIds.push(jobId)
    expect(jobIds.toSorted()).toEqual(['one', 'two'])
    expect(await disk.files('one')).toEqual([file.name])
    expect(await disk.files('two')).toEqual(['.out-0.part'])
    expect(await disk.files('three')).toEqual([])
    await disk.remove('two', '.out-0.part')
    expect(await disk.files('two')).toEqual([])
  })
})

describe('how long a folder has been left alone', () => {
  const hourMs = 3_600_000

  test('begins anew with each file that this process opens, closes or links, whatever any clock says', async () => {
    let uptimeMs = 7 * hourMs
    const disk = await openDisk(await newFolder(), () => uptimeMs)
    const sink = disk.create('job', 'out')
    await sink.write(aMegabyte)
    uptimeMs += 30 * hourMs
    expect(await disk.leftAloneForMs('job')).toBe(0)
    const { name } = await sink.finish()
    expect(await disk.leftAloneForMs('job')).toBe(0)
    uptimeMs += hourMs
    expect(await disk.leftAloneForMs('job')).toBe(hourMs)
    await disk.link('job', name, 'other')
    expect(await disk.leftAloneForMs('other')).toBe(0)
    const given = disk.create('given-up', 'out')
    await given.write(aMegabyte)
    await given.discard()
    uptimeMs += hourMs
    expect(await disk.leftAloneForMs('given-up')).toBe(hourMs)
  })

  test('goes by the clock of the file system for what an earlier process left, and on from there by how long this one runs', async () => {
    const { root, disk: earlier } = await newDisk()
    await store(earlier, 'job', Buffer.from('x'))
    let uptimeMs = 0
    const disk = await openDisk(root, () => uptimeMs)
    const atStartMs = await disk.leftAloneForMs('job')
    expect(atStartMs).toBeGreaterThanOrEqual(0)
    uptimeMs += 30 * hourMs
    expect(await disk.leftAloneForMs('job')).toBeCloseTo(atStartMs + 30 * hourMs)
    expect(await everythingIn(root)).toHaveLength(2)
  })

  test('is without an end where there is no folder', async () => {
    const { disk } = await newDisk()
    expect(await disk.leftAloneForMs('job')).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a link', () => {
  test('shows the file in the other job’s folder, and outlives the first job', async () => {
    const { disk } = await newDisk()
    const { name } = await store(disk, 'one', aMegabyte)
    await disk.link('one', name, 'two')
    await disk.link('one', name, 'two')
    expect((await stat(disk.pathOf('two', name))).nlink).toBe(2)
    await disk.removeJob('one')
    expect(aMegabyte.equals(await readFile(disk.pathOf('two', name)))).toBe(true)
  })

  test('to a file that is not there fails and leaves no folder', async () => {
    const { root, disk } = await newDisk()
    expect(await rejection(disk.link('one', 'in-0', 'two'))).toMatchObject({ code: 'ENOENT' })
    expect(await everythingIn(root)).toEqual([])
  })

  test('does not take the place of another file of that name', async () => {
    const { root, disk } = await newDisk()
    const { name } = await store(disk, 'one', aMegabyte)
    await mkdir(join(root, 'two'))
    await writeFile(join(root, 'two', name), 'another')
    expect(await rejection(disk.link('one', name, 'two'))).toMatchObject({ code: 'EEXIST' })
    expect(await readFile(join(root, 'two', name), 'utf8')).toBe('another')
  })

  test.runIf(existsSync('/dev/shm'))('across file systems is a copy', async () => {
    const { root, disk } = await newDisk()
    const { name } = await store(disk, 'one', aMegabyte)
    const elsewhere = await mkdtemp('/dev/shm/darkroom-files-')
    try {
      await symlink(elsewhere, join(root, 'two'))
      await disk.link('one', name, 'two')
      await disk.link('one', name, 'two')
      expect(await everythingIn(elsewhere)).toEqual([name])
      await truncate(disk.pathOf('one', name))
      expect(aMegabyte.equals(await readFile(disk.pathOf('two', name)))).toBe(true)
    } finally {
      await rm(elsewhere, { recursive: true })
    }
  })
})
