/** What the provider says that a task used: numbers by name, some of them in groups. */
export type Usage = Readonly<Record<string, unknown>>

function isUsage(value: unknown): value is Usage {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Adds numbers up, in groups too; of anything else the first stays. */
function sum(a: Usage, b: Usage): Usage {
  const added = Object.entries(b).map(([name, value]): [string, unknown] => {
    const before = a[name]
    if (typeof before === 'number' && typeof value === 'number') return [name, before + value]
    if (isUsage(before) && isUsage(value)) return [name, sum(before, value)]
    return [name, before ?? value]
  })
  return { ...a, ...Object.fromEntries(added) }
}

/** What some tasks used together; null where the provider says it of none. */
export function usageOf(tasks: readonly { readonly usage?: Usage | null }[]): Usage | null {
  const known = tasks.map(task => task.usage).filter(isUsage)
  return known.length === 0 ? null : known.reduce(sum)
}
