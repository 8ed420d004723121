/** What a result says that it used: numbers by their names, nested as the provider has them. */
export type Usage = { readonly [name: string]: number | Usage }

/** What a result reports beside its pictures. What it does not say is left out. */
export type Report = {
  usage?: Usage
  /** What it cost, in millionths of a credit. */
  costMicroCredits?: number
  /** The type of the task's record at the provider. */
  recordType?: string
}

type JsonObject = { readonly [key: string]: unknown }

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** More than any task uses of anything. */
const mostUsed = 1e12
const maxUsageNames = 50
const maxNameLength = 100
const maxUsageDepth = 3

/** The numbers in a `usage`, whatever else stands there; null where there are none, or more than a row should hold. */
export function parseUsage(value: unknown): Usage | null {
  let names = 0
  function numbersOf(part: JsonObject, depth: number): Usage | null {
    const kept: [string, number | Usage][] = []
    for (const [name, item] of Object.entries(part)) {
      const used = isObject(item) && depth < maxUsageDepth ? numbersOf(item, depth + 1) : numberOf(item, mostUsed)
      if (used === null || name.length > maxNameLength || !name.isWellFormed()) continue
      names += 1
      kept.push([name, used])
    }
    return kept.length === 0 ? null : Object.fromEntries(kept)
  }
  const usage = isObject(value) ? numbersOf(value, 1) : null
  return names > maxUsageNames ? null : usage
}

function numberOf(value: unknown, most: number): number | null {
  return typeof value === 'number' && value >= 0 && value <= most ? value : null
}

/** More than any task costs. */
const mostCredits = 1e6

/** What a `cost` says in millionths of a credit; null where it says nothing, or is in another currency. */
export function parseCost(value: unknown): number | null {
  if (!isObject(value) || value['currency'] !== 'credit') return null
  const amount = numberOf(value['amount'], mostCredits)
  return amount === null ? null : Math.round(amount * 1e6)
}

const maxTypeLength = 100

/** The type of a record; null where it has none. */
export function parseRecordType(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= maxTypeLength && value.isWellFormed() ? value : null
}

/** All of them together; null where there is none. A name that stands for different kinds is what it is first. */
export function sumUsage(parts: readonly Usage[]): Usage | null {
  const sums = new Map<string, number | Usage>()
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) {
      const before = sums.get(name)
      if (before === undefined) sums.set(name, value)
      else if (typeof before === 'number' && typeof value === 'number') sums.set(name, before + value)
      else if (typeof before !== 'number' && typeof value !== 'number') sums.set(name, sumUsage([before, value]) ?? before)
    }
  }
  return sums.size === 0 ? null : Object.fromEntries(sums)
}
