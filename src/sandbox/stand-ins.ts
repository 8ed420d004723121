import type { FaultName } from './faults.ts'

/** What a store or a CDN sends with a 200 in the place of a picture. */
export type StandIn = { readonly type: string; readonly bytes: Buffer }

const standIns: Partial<Record<FaultName, StandIn>> = {
  'html-picture': { type: 'text/html', bytes: Buffer.from('<!doctype html><html><body>Just a moment…</body></html>') },
  'json-picture': { type: 'application/json', bytes: Buffer.from('{"error":{"code":"NoSuchKey","message":"no such key"}}') },
  'empty-picture': { type: 'image/png', bytes: Buffer.alloc(0) },
  // As HEIC begins.
  'odd-picture': {
    type: 'image/heic',
    bytes: Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), Buffer.alloc(1_000, 7)]),
  },
}

/** What the faults of a task put in the place of its pictures; null: nothing. */
export function standInOf(faults: ReadonlySet<FaultName>): StandIn | null {
  for (const fault of faults) {
    const standIn = standIns[fault]
    if (standIn !== undefined) return standIn
  }
  return null
}
