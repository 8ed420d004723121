import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { withSegments } from '../support/odd-pictures.ts'
import { picture } from '../support/pictures.ts'
import { aMegabyte, bytesOf, everythingIn, newDisk, newFolder, rejection, store } from './folder.ts'

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
    const file = await store(disk, 'job', Buffer.from('\0\x01\x02hello'))
    expect(file).toMatchObject({ sizeBytes: 8, contentType: 'application/octet-stream', width: null, height: null })
  })

  test('of whose size only the whole file tells is asked about before it has its name', async () => {
    const { disk } = await newDisk()
    const bytes = withSegments(await picture({ width: 31, height: 17, format: 'jpeg' }), 700_000)
    expect(await store(disk, 'job', bytes)).toMatchObject({ contentType: 'image/jpeg', width: 31, height: 17 })
    const broken = Buffer.from('\xff\xd8\xff\xe0'.padEnd(300_000, '\0'), 'latin1')
    expect(await store(disk, 'job', broken)).toMatchObject({ contentType: 'image/jpeg', width: null, height: null })
    expect(await disk.files('job')).toHaveLength(2)
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
