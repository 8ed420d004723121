import { randomBytes } from 'node:crypto'
import type { Clock } from './ports.ts'

/** Crockford's alphabet: no letter that is mistaken for a digit, and in the order of ASCII, so that ids sort as their numbers do. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

function encodeBase32(value: bigint, digits: number): string {
  let text = ''
  let rest = value
  for (let index = 0; index < digits; index += 1) {
    text = (alphabet[Number(rest & 31n)] ?? '') + text
    rest >>= 5n
  }
  return text
}

/**
 * Makes ids that sort by creation and cannot be guessed: 48 bits of time in milliseconds, 12 bits that count within a
 * millisecond, 80 random bits. Within one process each is greater than the one before, even where the clock is set back.
 */
export function idMaker(clock: Clock): (prefix: string) => string {
  let lastMs = 0
  let count = 0
  return prefix => {
    const now = clock.now()
    if (now > lastMs) {
      lastMs = now
      count = 0
    } else if (count === 0xfff) {
      lastMs += 1
      count = 0
    } else {
      count += 1
    }
    const head = (BigInt(lastMs) << 12n) | BigInt(count)
    const tail = BigInt(`0x${randomBytes(10).toString('hex')}`)
    return `${prefix}_${encodeBase32(head, 12)}${encodeBase32(tail, 16)}`
  }
}

export const jobIdForm = /^job_[0-9a-hjkmnp-tv-z]{28}$/

/** Whether a text has the form of a job's id. */
export function isJobId(text: string): boolean {
  return jobIdForm.test(text)
}
