import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Arguments, type PartName, readArguments, usage } from './arguments.ts'
import { type Later, withCleanup } from './cleanup.ts'
import { startGenerator } from './load/generate.ts'
import { busyNote, machineLines } from './machine.ts'
import type { Tools } from './part.ts'
import { bodies } from './parts/bodies.ts'
import { callbacks } from './parts/callbacks.ts'
import { footprint } from './parts/footprint.ts'
import { growth } from './parts/growth.ts'
import { quiet } from './parts/quiet.ts'
import { reads } from './parts/reads.ts'
import { streams } from './parts/streams.ts'
import { submits } from './parts/submits.ts'
import { full, type Plan, short } from './plan.ts'
import { jsonOf, markdownOf, type Section, withResults } from './report.ts'

const page = join(import.meta.dirname, '..', 'docs', 'benchmarks.md')
const lookMs = { full: 2_000, short: 300 } as const

type Runner = { title: string; run: (plan: Plan, tools: Tools) => Promise<Omit<Section, 'title'>> }

const runners: Readonly<Record<PartName, Runner>> = {
  callbacks: { title: 'Callbacks', run: (plan, tools) => callbacks(plan.callbacks, tools) },
  reads: { title: 'Reads', run: (plan, tools) => reads(plan.reads, tools) },
  bodies: { title: 'Callbacks with pictures in base64', run: (plan, tools) => bodies(plan.bodies, tools) },
  quiet: { title: 'Reads while large callbacks pour in', run: (plan, tools) => quiet(plan.quiet, tools) },
  submits: { title: 'POST /jobs', run: (plan, tools) => submits(plan.submits, tools) },
  streams: { title: 'Server-sent events', run: (plan, tools) => streams(plan.streams, tools) },
  footprint: { title: 'Start, memory, size', run: (plan, tools) => footprint(plan.footprint, tools) },
  growth: { title: 'Growth', run: (plan, tools) => growth(plan.growth, tools) },
}

/** Where `--json` is asked for, nothing else goes to the standard output. */
const say = (text: string): void => console.error(text)

function runPart(name: PartName, plan: Plan, folder: string): Promise<Omit<Section, 'title'>> {
  return withCleanup(async (later: Later) => {
    const own = join(folder, name)
    await mkdir(own)
    later(() => rm(own, { recursive: true, force: true }))
    return runners[name].run(plan, { folder: own, later, generator: await startGenerator(later), say })
  })
}

async function sectionOf(name: PartName, { short: isShort }: Arguments, folder: string): Promise<Section> {
  const { title } = runners[name]
  const startedAt = performance.now()
  const busy = await busyNote(isShort ? lookMs.short : lookMs.full)
  say(`${name} …${busy === null ? '' : ` ${busy}`}`)
  try {
    const { figures, notes } = await runPart(name, isShort ? short : full, folder)
    say(`${name}: ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
    return { title, figures, notes: busy === null ? notes : [busy, ...notes] }
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return { title, figures: [], notes: [], failure: error instanceof Error ? error.message : String(error) }
  }
}

async function measure(given: Arguments): Promise<{ about: string[]; sections: Section[] }> {
  return withCleanup(async later => {
    const folder = await mkdtemp(join(tmpdir(), 'darkroom-bench-'))
    later(() => rm(folder, { recursive: true, force: true }))
    const about = [
      ...(await machineLines(folder)),
      'the service runs as npm start runs it, with its default log level (info, into a file); the servers share the processors with the load generator',
      'each figure is the median of the rounds (least–most), a ratio that of each round’s pair; rounds go in turns',
      ...(given.short ? ['**the short form: nothing is warm, nothing is large, its figures say only that it works**'] : []),
    ]
    for (const line of about) say(line)
    const sections: Section[] = []
    for (const name of given.parts) {
      const section = await sectionOf(name, given, folder)
      sections.push(section)
      if (!given.json) console.log(`\n${markdownOf(section)}`)
    }
    return { about, sections }
  })
}

async function main(): Promise<void> {
  const given = readArguments(process.argv.slice(2))
  if ('problem' in given) {
    console.error(`${given.problem}\n${usage}`)
    process.exitCode = 2
    return
  }
  const startedAt = performance.now()
  const { about, sections } = await measure(given)
  if (given.json) console.log(jsonOf(sections, about))
  const failed = sections.filter(section => section.failure !== undefined)
  if (given.write && failed.length === 0) {
    const results = [about.map(line => `- ${line}`).join('\n'), ...sections.map(markdownOf)].join('\n\n')
    await writeFile(page, withResults(await readFile(page, 'utf8'), results))
    say(`written to ${page}`)
  }
  say(`\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
  // A figure that misses its aim is no failure; a part that does not work is.
  if (failed.length > 0) process.exitCode = 1
}

await main()
