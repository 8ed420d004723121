import { picture } from './pictures.ts'

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeInt32BE(value, index * 4)
  return bytes
}

/** A JPEG with so many bytes of a segment that we do not read (C2PA, a thumbnail, a profile) before its frame header. */
export function withSegments(jpeg: Buffer, sizeBytes: number): Buffer {
  const length = 65_000
  const segment = Buffer.concat([Buffer.from([0xff, 0xeb, length >> 8, length & 0xff]), Buffer.alloc(length - 2, 0x5a)])
  const count = Math.ceil(sizeBytes / segment.length)
  return Buffer.concat([jpeg.subarray(0, 2), ...Array.from({ length: count }, () => segment), jpeg.subarray(2)])
}

/** A JPEG that says of itself that it is coded arithmetically: what its header says is all that is read of it. */
export function arithmetic(jpeg: Buffer): Buffer {
  const bytes = Buffer.from(jpeg)
  bytes[bytes.indexOf('ffc0', 'hex') + 1] = 0xc9
  return bytes
}

/** An AVIF as sharp makes it, with one more property of its picture. */
function withProperty(avif: Buffer, name: string, value: Buffer): Buffer {
  const box = Buffer.concat([u32(value.length + 8), Buffer.from(name), value])
  const at = (inner: string): number => avif.indexOf(inner) - 4
  const bytes = Buffer.from(avif)
  const grow = (inner: string, by: number): void => void bytes.writeUInt32BE(bytes.readUInt32BE(at(inner)) + by, at(inner))
  const added = box.length + 1
  for (const outer of ['meta', 'iprp']) grow(outer, added)
  grow('ipco', box.length)
  grow('ipma', 1)
  // Of its one item, how many properties it has; and where its one extent lies, behind all of this.
  const properties = at('ipma') + 18
  bytes[properties] = (bytes[properties] ?? 0) + 1
  const offset = bytes.indexOf(u32(bytes.indexOf('mdat') + 4), at('iloc'))
  bytes.writeUInt32BE(bytes.readUInt32BE(offset) + added, offset)
  const [ipmaAt, ipmaEnd] = [at('ipma'), at('ipma') + avif.readUInt32BE(at('ipma'))]
  const essential = Buffer.from([0x80 | (bytes[properties] ?? 0)])
  return Buffer.concat([bytes.subarray(0, ipmaAt), box, bytes.subarray(ipmaAt, ipmaEnd), essential, bytes.subarray(ipmaEnd)])
}

/** An AVIF that is to be turned by so many quarters. */
export async function turnedAvif(size: { width: number; height: number }, quarters: number): Promise<Buffer> {
  return withProperty(await picture({ ...size, format: 'avif' }), 'irot', Buffer.from([quarters]))
}

/** An AVIF of which only the middle is to be shown. */
export async function clippedAvif(
  size: { width: number; height: number },
  shown: { width: number; height: number },
): Promise<Buffer> {
  const middle = u32(shown.width, 1, shown.height, 1, 0, 1, 0, 1)
  return withProperty(await picture({ ...size, format: 'avif' }), 'clap', middle)
}
