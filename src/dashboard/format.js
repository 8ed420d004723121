// @ts-check
import { languageTag } from './words.js'

/** @typedef {'second' | 'minute' | 'hour' | 'day'} Unit */
/** @type {readonly (readonly [Unit, number])[]} */
const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]

/**
 * @param {number} value
 * @param {string} unit
 * @param {number} digits
 */
function amount(value, unit, digits) {
  const style = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }
  // `style` widens to string; these are options that every browser with modules knows.
  return new Intl.NumberFormat(languageTag(), /** @type {Intl.NumberFormatOptions} */ (style)).format(value)
}

/**
 * How long ago: `3 min ago`.
 * @param {number} ms
 */
export function ago(ms) {
  const [unit, size] = units.find(([, one]) => ms >= one) ?? ['second', 1_000]
  return new Intl.RelativeTimeFormat(languageTag(), { numeric: 'auto', style: 'short' }).format(-Math.floor(ms / size), unit)
}

/**
 * How long: `850 ms`, `2.4 s`, `3 min 20 s`.
 * @param {number} ms
 */
export function duration(ms) {
  if (ms < 1_000) return amount(Math.round(ms), 'millisecond', 0)
  if (ms < 60_000) return amount(ms / 1_000, 'second', ms < 10_000 ? 1 : 0)
  const at = units.findIndex(([, one]) => ms >= one)
  const [big, bigSize] = units[at] ?? ['minute', 60_000]
  const [small, smallSize] = units[at + 1] ?? ['second', 1_000]
  const rest = Math.floor((ms % bigSize) / smallSize)
  const whole = amount(Math.floor(ms / bigSize), big, 0)
  return rest === 0 ? whole : `${whole} ${amount(rest, small, 0)}`
}

/**
 * How long in whole seconds, for what is still running.
 * @param {number} ms
 */
export const ticking = ms => duration(Math.max(1_000, Math.floor(ms / 1_000) * 1_000))

/**
 * @param {number} at milliseconds since 1970.
 */
export function moment(at) {
  return new Intl.DateTimeFormat(languageTag(), { dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

/** @param {number} sizeBytes */
export function bytes(sizeBytes) {
  if (sizeBytes < 1_024) return amount(sizeBytes, 'byte', 0)
  if (sizeBytes < 2 ** 20) return amount(sizeBytes / 1_024, 'kilobyte', 0)
  return amount(sizeBytes / 2 ** 20, 'megabyte', 1)
}

/** @param {number} value */
export const number = value => new Intl.NumberFormat(languageTag(), { maximumFractionDigits: 6 }).format(value)
