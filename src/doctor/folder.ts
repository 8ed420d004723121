import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readSecrets, ShortSecret } from '../files/secret.ts'
import { asSize, codeOf, type Finding, findingsOf, isMissing } from './finding.ts'

const folder = findingsOf('data folder')
const fileSystem = findingsOf('file system')
const space = findingsOf('free space')
const secret = findingsOf('secret')

const slowSyncMs = 50
const syncs = 5
const fewBytes = 5 * 2 ** 30
const tooFewBytes = 512 * 2 ** 20
const fewShare = 0.1

/** The data folder and the disk below it. A small file is written there and removed; a folder that is missing is not made. */
export async function examineFolder(dataDir: string): Promise<Finding[]> {
  const there = await nearestThere(dataDir)
  const { type, bsize, blocks, bavail } = await statfs(there)
  return [
    there === dataDir ? await examineThere(dataDir) : await examineMissing(dataDir, there),
    examineFileSystem(type),
    examineSpace({ freeBytes: bavail * bsize, wholeBytes: blocks * bsize }),
  ]
}

/** The path itself, or the nearest above it that exists. */
async function nearestThere(path: string): Promise<string> {
  try {
    await stat(path)
    return path
  } catch (error) {
    if (!isMissing(error)) throw error
    return nearestThere(dirname(path))
  }
}

async function examineMissing(dataDir: string, there: string): Promise<Finding> {
  if (!(await stat(there)).isDirectory()) return folder.fail(`${there} is a file`, 'set DATA_DIR to a folder')
  const refused = await refusal(there, constants.W_OK | constants.X_OK)
  if (refused !== null)
    return folder.fail(
      `${dataDir} is not there, and cannot be made in ${there} (${refused})`,
      'make it, for the user of the service',
    )
  return folder.ok(`${dataDir} is not there yet: the first start makes it`)
}

async function refusal(path: string, mode: number): Promise<string | null> {
  return access(path, mode).then(() => null, codeOf)
}

async function examineThere(dataDir: string): Promise<Finding> {
  if (!(await stat(dataDir)).isDirectory()) return folder.fail(`${dataDir} is a file`, 'set DATA_DIR to a folder')
  // Made by another user, as after a start with sudo, they stop a service whose folder is its own.
  for (const name of ['darkroom.db', 'jobs', 'secret']) {
    const refused = await refusal(join(dataDir, name), name === 'secret' ? constants.R_OK : constants.R_OK | constants.W_OK)
    if (refused !== null && refused !== 'ENOENT')
      return folder.fail(
        `${name} in ${dataDir} is closed to this user (${refused})`,
        'give it to the user of the service: chown -R',
      )
  }
  try {
    return examineSync(dataDir, await timeSync(dataDir))
  } catch (error) {
    return folder.fail(
      `${dataDir} cannot be written to (${codeOf(error)})`,
      'give it to the user of the service, on a disk with room',
    )
  }
}

export function examineSync(dataDir: string, syncMs: number): Finding {
  const seen = `${dataDir} can be written to, a sync takes ${syncMs.toFixed(1)} ms`
  return syncMs > slowSyncMs ? folder.warn(seen, 'every job waits for some: use a local disk, best an SSD') : folder.ok(seen)
}

/** @returns how long a sync of a few kB takes, in ms: the middle one of some. */
async function timeSync(dataDir: string): Promise<number> {
  const path = join(dataDir, `.doctor-${randomBytes(6).toString('hex')}.part`)
  const times: number[] = []
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      for (let count = 0; count < syncs; count += 1) {
        await file.write(Buffer.alloc(4_096, count))
        const startedAt = performance.now()
        await file.sync()
        times.push(performance.now() - startedAt)
      }
    } finally {
      await file.close()
    }
  } finally {
    await rm(path, { force: true })
  }
  return times.toSorted((a, b) => a - b)[Math.floor(syncs / 2)] ?? 0
}

type Kind = { name: string; fault?: string; isFatal?: boolean }

const shared = 'the database needs locks and memory that such a system does not share'
/** By the number that statfs(2) names them. */
const kinds = new Map<number, Kind>([
  [0xef53, { name: 'ext4' }],
  [0x58465342, { name: 'xfs' }],
  [0x9123683e, { name: 'btrfs' }],
  [0x2fc12fc1, { name: 'zfs' }],
  [0xf2f52010, { name: 'f2fs' }],
  [0x6969, { name: 'nfs', fault: shared, isFatal: true }],
  [0xff534d42, { name: 'cifs', fault: shared, isFatal: true }],
  [0xfe534d42, { name: 'smb2', fault: shared, isFatal: true }],
  [0x517b, { name: 'smb', fault: shared, isFatal: true }],
  [0x01021997, { name: '9p', fault: shared, isFatal: true }],
  [0x5346414f, { name: 'afs', fault: shared, isFatal: true }],
  [0x65735546, { name: 'fuse', fault: 'what lies behind it may not keep what was synced' }],
  [0x01021994, { name: 'tmpfs', fault: 'it is memory: all is lost when the machine stops' }],
  [0x794c7630, { name: 'overlay', fault: 'it goes with the container' }],
])

/** @param type what statfs(2) says; unknown numbers pass. */
export function examineFileSystem(type: number): Finding {
  // Some platforms extend the sign of 32 bits.
  const kind = kinds.get(type >>> 0)
  if (kind === undefined) return fileSystem.ok(`of a kind without a known fault (0x${(type >>> 0).toString(16)})`)
  if (kind.fault === undefined) return fileSystem.ok(kind.name)
  const toDo = 'put DATA_DIR on a local disk, in a container on a volume'
  return kind.isFatal === true
    ? fileSystem.fail(`${kind.name}: ${kind.fault}`, toDo)
    : fileSystem.warn(`${kind.name}: ${kind.fault}`, toDo)
}

export function examineSpace({ freeBytes, wholeBytes }: { freeBytes: number; wholeBytes: number }): Finding {
  const share = wholeBytes === 0 ? 1 : freeBytes / wholeBytes
  const seen = `${asSize(freeBytes)} free of ${asSize(wholeBytes)} (${Math.floor(share * 100)} %)`
  const toDo = 'make room, or lower RETENTION_DAYS'
  if (freeBytes < tooFewBytes) return space.fail(seen, toDo)
  return freeBytes < fewBytes || share < fewShare ? space.warn(seen, toDo) : space.ok(seen)
}

/** What tokens and signed URLs derive from. `isSet`: SECRET is, so that the file is not used. */
export async function examineSecret(dataDir: string, isSet: boolean): Promise<Finding> {
  if (isSet) return secret.ok('SECRET is set')
  const path = join(dataDir, 'secret')
  try {
    const { mode } = await stat(path)
    if ((await readSecrets(path)).length === 0) return secret.fail(`${path} is empty`, 'put the old one back, or remove the file')
    const others = mode & 0o077
    if (others === 0) return secret.ok('in the data folder, open to its owner only')
    return secret.warn(`${path} is open to others (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${path}`)
  } catch (error) {
    if (error instanceof ShortSecret) return secret.fail(error.message, 'put a longer one there, or the old one back')
    if (!isMissing(error)) return secret.fail(`${path} cannot be read (${codeOf(error)})`, 'give it to the user of the service')
    if ((await refusal(join(dataDir, 'darkroom.db'), constants.F_OK)) !== null) return secret.ok('the first start makes one')
    return secret.warn(
      `there is a database, but its secret is gone: ${path}`,
      'restore it, or callbacks under way and URLs that were given out fail',
    )
  }
}
