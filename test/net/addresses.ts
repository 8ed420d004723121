import * as fc from 'fast-check'

/** Where no public host is: IANA's special-purpose registry, and 168.63.129.16 of Azure's hosts. First address and prefix length. */
const specialRanges: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

const ranges = specialRanges.map(([first, prefix]) => {
  const from = first.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  return { from, to: from + 2 ** (32 - prefix) - 1 }
})

function octets(address: number): number[] {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255]
}

function dotted(address: number): string {
  return octets(address).join('.')
}

function hextets(address: number): string {
  return `${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}`
}

/** The last `count` octets as the one number that short forms end in. */
function shortened(address: number, count: number): string {
  return [...octets(address).slice(0, 4 - count), address % 256 ** count].join('.')
}

/** Spellings of an IPv4 address that lead to that very address. */
export const plainSpellings: readonly ((address: number) => string)[] = [
  dotted,
  address => `${dotted(address)}.`,
  address => String(address),
  address => `0x${address.toString(16)}`,
  address => `0X${address.toString(16).toUpperCase()}`,
  address => `0${address.toString(8)}`,
  address => `0x00000000${address.toString(16)}`,
  address => shortened(address, 2),
  address => shortened(address, 3),
  address =>
    octets(address)
      .map(octet => `0x${octet.toString(16)}`)
      .join('.'),
  address =>
    octets(address)
      .map(octet => `000${octet.toString(8)}`)
      .join('.'),
  address =>
    octets(address)
      .map((octet, i) => (i % 2 === 0 ? `0${octet.toString(8)}` : `0x${octet.toString(16)}`))
      .join('.'),
  address => dotted(address).replaceAll('.', '。'),
  address => dotted(address).replaceAll('.', '%2E'),
  address => dotted(address).replace(/\d/g, digit => String.fromCodePoint(0xff10 + Number(digit))),
  address => dotted(address).replace(/\d/g, digit => `%3${digit}`),
  address => `[::ffff:${dotted(address)}]`,
  address => `[::FFFF:${hextets(address)}]`,
  address => `[0:0:0:0:0:ffff:${hextets(address)}]`,
]

/** IPv6 addresses that carry an IPv4 one for something else to unwrap: never public, whatever they carry. */
export const wrappedSpellings: readonly ((address: number) => string)[] = [
  address => `[::${hextets(address)}]`,
  address => `[::${dotted(address)}]`,
  address => `[::ffff:0:${hextets(address)}]`,
  address => `[64:ff9b::${hextets(address)}]`,
  address => `[64:ff9b::${dotted(address)}]`,
  address => `[64:ff9b:1::${hextets(address)}]`,
  address => `[64:ff9b:1:ffff:ffff:ffff:${hextets(address)}]`,
  address => `[2002:${hextets(address)}::1]`,
  address => `[2001:0:${hextets(address)}::1]`,
  address => `[2001::${hextets((address ^ 0xffffffff) >>> 0)}]`,
]

/** An IPv4 address, as a number, that no public host has. */
export const specialAddress = fc.oneof(...ranges.map(({ from, to }) => fc.integer({ min: from, max: to })))

/** An IPv4 address, as a number, outside of all special ranges. */
export const publicAddress = fc
  .integer({ min: 0, max: 0xffffffff })
  .filter(address => !ranges.some(({ from, to }) => address >= from && address <= to))
