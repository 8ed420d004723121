import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import type { StoredFile } from '../../src/domain/ports.ts'
import { type Disk, openDisk } from '../../src/files/disk.ts'
import { everythingIn, newFolder, rejection } from './folder.ts'

async function newDisk(): Promise<{ root: string; disk: Disk }> {
  const root = await newFolder()
  return { root, disk: await openDisk(root) }
}

async function store(disk: Disk, jobId: string, bytes: Uint8Array): Promise<StoredFile> {
  const sink = disk.create(jobId, 'out')
  await sink.write(bytes)
  return sink.finish()
}

/** Bytes that differ from place to place. */
function bytesOf(length: number): Buffer {
  const block = createHash('sha512').update(String(length)).digest()
  return Buffer.alloc(length, Buffer.concat([block, Buffer.from([length & 255])]))
}

const aMegabyte = bytesOf(2 ** 20 + 13)

describe('a file', () => {
  test('written in any pieces is what was written, with its size and hash', async () => {
    const { disk } = await newDisk()
    const lengths = fc.array(fc.oneof(fc.nat(100), fc.nat(700_000), fc.constantFrom(0, 2 ** 18 - 1, 2 ** 18, 2 ** 18 + 1)), {
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(lengths, async pieceLengths => {
        const sink = disk.create('job', 'out')
        const pieces = pieceLengths.map(bytesOf)
        for (const piece of pieces) await sink.write(piece)
        const file = await sink.finish()
        const whole = Buffer.concat(pieces)
        expect(whole.equals(await readFile(disk.pathOf('job', file.name)))).toBe(true)
        expect(file).toMatchObject({ sizeBytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') })
      }),
      { numRuns: 40 },
    )
  })

  test('holds what a buffer held when it was written, whatever the caller puts into it afterwards', async () => {
    const { disk } = await newDisk()
    const sink = disk.create('job', 'out')
    const buffer = Buffer.alloc(100_000)
    for (let round = 0; round < 30; round += 1) {
      buffer.fill(round)
      await sink.write(buffer)
    }
    buffer.fill(99)
    const bytes = await readFile(disk.pathOf('job', (await sink.finish()).name))
    const expected = Buffer.concat(Array.from({ length: 30 }, (_, round) => Buffer.alloc(100_000, round)))
    expect(bytes.equals(expected)).toBe(true)
  })

  test.for([0, 2 ** 20])('is known by its beginning, with %i bytes behind the picture', async restBytes => {
    const { disk } = await newDisk()
    const png = await sharp({ create: { width: 31, height: 17, channels: 3, background: '#fff' } })
      .png()
      .toBuffer()
    const file = await store(disk, 'job', Buffer.concat([png, Buffer.alloc(restBytes)]))
    expect(file).toMatchObject({ contentType: 'image/png', width: 31, height: 17 })
  })

  test('of no kind that we know is kept all the same', async () => {
    const { disk } = await newDisk()
    const file = await store(disk, 'job', Buffer.from('hello'))
    expect(file).toMatchObject({ sizeBytes: 5, contentType: 'application/octet-stream', width: null, height: null })
  })

  test('has a name that begins with its label, and is for nobody else to read', async () => {
    const { root, disk } = await newDisk()
    const file = await store(disk, 'job', aMegabyte)
    expect(file.name).toMatch(/^out-[0-9a-f]{8}$/)
    expect((await stat(disk.pathOf('job', file.name))).mode & 0o777).toBe(0o600)
    expect((await stat(join(root, 'job'))).mode & 0o777).toBe(0o700)
    expect(await everythingIn(root)).toEqual(['job', `job/${file.name}`])
  })

  test('touches the disk when there is something to write, and has its name only when it is whole', async () => {
    const { root, disk } = await newDisk()
    const sink = disk.create('job', 'out')
    await sink.write(Buffer.from('little'))
    expect(await everythingIn(root)).toEqual([])
    await sink.write(aMegabyte)
    expect((await everythingIn(root))[1]).toMatch(/^job\/\.out-[0-9a-f]{8}\.part$/)
    await sink.finish()
    expect((await everythingIn(root))[1]).toMatch(/^job\/out-[0-9a-f]{8}$/)
  })

  test('ends once: what comes after is refused, and a discard after it does no harm', async () => {
    const { disk } = await newDisk()
    const sink = disk.create('job', 'out')
    const { name } = await sink.finish()
    expect(await rejection(sink.write(Buffer.from('x')))).toBeInstanceOf(Error)
    expect(await rejection(sink.finish())).toBeInstanceOf(Error)
    await sink.discard()
    expect(await readFile(disk.pathOf('job', name), 'utf8')).toBe('')
  })

  test('refuses a write while the one before it waits, and is whole without it', async () => {
    const { disk } = await newDisk()
    const sink = disk.create('job', 'out')
    const waiting = sink.write(aMegabyte)
    expect(waiting).toBeInstanceOf(Promise)
    expect(await rejection(sink.write(Buffer.from('too early')))).toBeInstanceOf(Error)
    await waiting
    expect(aMegabyte.equals(await readFile(disk.pathOf('job', (await sink.finish()).name)))).toBe(true)
  })
})

describe('a file that is given up', () => {
  test('leaves nothing, nor a folder, however much of it was written', async () => {
    const { root, disk } = await newDisk()
    for (const length of [0, 1, 2 ** 18, 2 ** 18 + 1, 2 ** 20]) {
      const sink = disk.create('job', 'in')
      await sink.write(bytesOf(length))
      await sink.discard()
      await sink.discard()
      expect(await everythingIn(root)).toEqual([])
    }
  })

  test('in the midst of a write leaves nothing and stops the write', async () => {
    const { root, disk } = await newDisk()
    const sink = disk.create('job', 'in')
    const stopped = rejection(sink.write(aMegabyte))
    await sink.discard()
    expect(await stopped).toBeInstanceOf(Error)
    expect(await everythingIn(root)).toEqual([])
  })

  test('leaves the other files of its job alone', async () => {
    const { root, disk } = await newDisk()
    const kept = await store(disk, 'job', Buffer.from('kept'))
    const sink = disk.create('job', 'in')
    await sink.write(aMegabyte)
    await sink.discard()
    expect(await everythingIn(root)).toEqual(['job', `job/${kept.name}`])
  })

  test('never takes the folder away from others that begin at the same moment', async () => {
    const { root, disk } = await newDisk()
    const kept: string[] = []
    for (let round = 0; round < 40; round += 1) {
      const jobId = `job${round}`
      const files = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const sink = disk.create(jobId, 'in')
          await sink.write(bytesOf(2 ** 18 + 1))
          if (index % 4 !== 0) return sink.discard()
          return sink.finish()
        }),
      )
      for (const file of files) if (file !== undefined) kept.push(`${jobId}/${file.name}`)
    }
    expect(kept).toHaveLength(80)
    expect((await everythingIn(root)).filter(path => path.includes('/'))).toEqual(kept.toSorted())
  })
})

describe('a disk that fails', () => {
  test('on opening the file says so by the next write or at the end, and leaves nothing', async () => {
    const { root, disk } = await newDisk()
    await writeFile(join(root, 'job'), 'not a folder')
    const long = disk.create('job', 'in')
    expect(await rejection(long.write(aMegabyte))).toMatchObject({ code: 'ENOTDIR' })
    expect(await rejection(long.write(Buffer.from('more')))).toMatchObject({ code: 'ENOTDIR' })
    await long.discard()
    const short = disk.create('job', 'in')
    expect(short.write(Buffer.from('short'))).toBeUndefined()
    expect(await rejection(short.finish())).toMatchObject({ code: 'ENOTDIR' })
    await short.discard()
    expect(await everythingIn(root)).toEqual(['job'])
  })

  test('on a write that nobody waits for says so at the end, with its code', async () => {
    const { root, disk } = await newDisk()
    await writeFile(join(root, 'job'), 'not a folder')
    const sink = disk.create('job', 'in')
    // Two buffers take this much without waiting; the first is being written.
    expect(sink.write(bytesOf(2 ** 18 + 1))).toBeUndefined()
    expect(await rejection(sink.finish())).toMatchObject({ code: 'ENOTDIR' })
  })

  test('in the midst of a file says so with its code, and leaves nothing', async () => {
    const root = await newFolder()
    // A file-size limit of the shell stands for a full disk: the write fails, as it does there, after a part of it.
    const script = `
      import { openDisk } from ${JSON.stringify(join(import.meta.dirname, '../../src/files/disk.ts'))}
      const disk = await openDisk(${JSON.stringify(root)})
      const codes = []
      for (const chunks of [1, 40]) {
        const sink = disk.create('job', 'out')
        try {
          for (let i = 0; i < chunks; i++) await sink.write(Buffer.alloc(1_100_000 / chunks))
          await sink.finish()
        } catch (error) { codes.push(error.code) }
        await sink.discard()
      }
      console.log(codes.join())`
    const run = spawnSync('sh', ['-c', 'ulimit -f 1000; exec "$0" --input-type=module -e "$1"', process.execPath, script], {
      encoding: 'utf8',
    })
    expect(run).toMatchObject({ status: 0, stdout: 'EFBIG,EFBIG\n' })
    expect(await everythingIn(root)).toEqual([])
  })

  test('on giving the file its name says so, and leaves nothing of it', async () => {
    const { root, disk } = await newDisk()
    const sink = disk.create('job', 'out')
    await sink.write(aMegabyte)
    const name = (await everythingIn(root))[1]?.replace(/^job\/\.(.*)\.part$/, '$1') ?? ''
    await mkdir(join(root, 'job', name, 'in-the-way'), { recursive: true })
    expect(await rejection(sink.finish())).toMatchObject({ code: 'EISDIR' })
    expect(await everythingIn(root)).toEqual(['job', `job/${name}`, `job/${name}/in-the-way`])
  })

  test('on losing the folder says so, and leaves nothing', async () => {
    const { root, disk } = await newDisk()
    const sink = disk.create('job', 'out')
    await sink.write(aMegabyte)
    await rm(join(root, 'job'), { recursive: true })
    expect(await rejection(sink.finish())).toMatchObject({ code: 'ENOENT' })
    await sink.discard()
    expect(await everythingIn(root)).toEqual([])
  })
})

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

  test('lists the jobs, and their files with the time of their last change, half-written ones too', async () => {
    const { root, disk } = await newDisk()
    const file = await store(disk, 'one', Buffer.from('x'))
    await mkdir(join(root, 'two'))
    await writeFile(join(root, 'two', '.out-0.part'), 'half')
    await writeFile(join(root, 'not-a-job'), '')
    const jobIds: string[] = []
    for await (const jobId of disk.jobIds()) jobIds.push(jobId)
    expect(jobIds.toSorted()).toEqual(['one', 'two'])
    const touchedAt = Math.trunc((await stat(disk.pathOf('one', file.name))).ctimeMs)
    expect(await disk.files('one')).toEqual([file.name])
    expect(await disk.touchedAt('one')).toBeGreaterThanOrEqual(touchedAt)
    expect(await disk.touchedAt('three')).toBe(0)
    expect(await disk.files('two')).toEqual(['.out-0.part'])
    expect(await disk.files('three')).toEqual([])
    await disk.remove('two', '.out-0.part')
    expect(await disk.files('two')).toEqual([])
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
