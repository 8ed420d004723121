/** One line: its name, its labels by name, its value. */
export type Sample = { name: string; labels: Record<string, string>; value: number }
export type ParsedFamily = { name: string; type: string; help: string; samples: Sample[] }

const nameText = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const sampleLine = new RegExp(`^(${nameText})(?:\\{(.*)\\})? (\\S+)$`)
const labelPair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/
const valueText = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?)|[+-]Inf|NaN)$/

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== ''; ) {
    const match = labelPair.exec(rest)
    if (match === null) throw new Error(`labels that cannot be read: ${text}`)
    const [whole, name = '', value = '', end] = match
    if (name in labels) throw new Error(`label ${name} twice: ${text}`)
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(whole.length)
    if (end === ',' && rest === '') throw new Error(`a comma at the end: ${text}`)
  }
  return labels
}

function sampleOf(line: string): Sample {
  const [, name, labels, value = ''] = sampleLine.exec(line) ?? []
  if (name === undefined || !valueText.test(value)) throw new Error(`no line of the format: ${line}`)
  return { name, labels: labelsOf(labels ?? ''), value: Number(value.replace('Inf', 'Infinity')) }
}

const keyOf = ({ name, labels }: Sample): string =>
  JSON.stringify([name, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))])

/** The lines of a histogram are whole: buckets rise to the count, which `+Inf` holds. */
function checkHistogram({ name, samples }: ParsedFamily): void {
  const groups = Map.groupBy(samples, ({ labels }) => JSON.stringify(Object.entries(labels).filter(([label]) => label !== 'le')))
  for (const group of groups.values()) {
    const buckets = group.filter(sample => sample.name === `${name}_bucket`)
    const bounds = buckets.map(sample => Number(sample.labels['le']?.replace('+Inf', 'Infinity')))
    const [sum, count, ...more] = group.filter(sample => !buckets.includes(sample))
    if (sum?.name !== `${name}_sum` || count?.name !== `${name}_count` || more.length > 0)
      throw new Error(`${name}: no sum, no count`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)?.value !== count.value)
      throw new Error(`${name}: +Inf is not the count`)
    for (const [index, bucket] of buckets.entries()) {
      const next = buckets[index + 1]
      if (next !== undefined && (next.value < bucket.value || !((bounds[index + 1] ?? 0) > (bounds[index] ?? 0))))
        throw new Error(`${name}: its buckets do not rise`)
    }
  }
}

function check(family: ParsedFamily): void {
  const { name, type, samples } = family
  if (type === 'histogram') return checkHistogram(family)
  for (const sample of samples) {
    if (sample.name !== name) throw new Error(`${sample.name} stands below ${name}`)
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`${name}: a counter of ${sample.value}`)
  }
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`${name}: a counter that does not end in _total`)
}

/**
 * Reads the text format of Prometheus, version 0.0.4, strictly: HELP, TYPE, then the lines of that figure, each once.
 * @throws Error at what does not belong there.
 */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, ParsedFamily>()
  const seen = new Set<string>()
  let help: RegExpExecArray | null = null
  let current: ParsedFamily | null = null
  for (const line of text.slice(0, -1).split('\n')) {
    // The format allows them; between two figures there is one.
    if (line === '') continue
    if (line.startsWith('# HELP ')) {
      help = new RegExp(`^# HELP (${nameText}) (\\S.*)$`).exec(line)
      if (help === null || families.has(help[1] ?? '')) throw new Error(`a second time, or no help: ${line}`)
      current = null
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = new RegExp(`^# TYPE (${nameText}) (counter|gauge|histogram)$`).exec(line) ?? []
      if (name === '' || name !== help?.[1]) throw new Error(`no type of what was told before: ${line}`)
      current = { name, type, help: help[2] ?? '', samples: [] }
      families.set(name, current)
    } else {
      const sample = sampleOf(line)
      if (current === null || seen.has(keyOf(sample))) throw new Error(`twice, or of no figure: ${line}`)
      seen.add(keyOf(sample))
      current.samples.push(sample)
    }
  }
  for (const family of families.values()) check(family)
  return families
}

/** The value of one line, by its name and all of its labels; undefined where it is not there. */
export function valueOf(
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const wanted = keyOf({ name, labels, value: 0 })
  for (const family of families.values()) for (const sample of family.samples) if (keyOf(sample) === wanted) return sample.value
  return undefined
}
