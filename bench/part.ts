import type { Later } from './cleanup.ts'
import type { Generator } from './load/generate.ts'
import type { Section } from './report.ts'

/** What a part of the bench gets to work with. */
export type Tools = {
  /** A folder of its own, removed when it has ended. */
  folder: string
  /** What is to be undone when it has ended, last first. */
  later: Later
  generator: Generator
  /** Tells the person who waits. */
  say: (text: string) => void
}

/**
 * One part of the bench: starts what it needs, measures in turns, and checks that all answers and what they left are right.
 * @throws Error where they are not: then its figures are void.
 */
export type Part<Plan> = (plan: Plan, tools: Tools) => Promise<Omit<Section, 'title'>>
