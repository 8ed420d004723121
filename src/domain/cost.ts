import { billable, isFinal } from './job.ts'
import { credits, priceMultiplier } from './models.ts'
import type { JobRecord } from './records.ts'
import { sumUsage, type Usage } from './report.ts'

export const costSources = ['reported', 'table'] as const

type Credits = { credits: number | null; source: (typeof costSources)[number] | null }

/** Results say what they cost; that counts as soon as all have said it that may cost anything, and before that where no table does. */
function creditsOf(job: JobRecord): Credits {
  // One that was kept with an Idempotency-Key may be from before there was such a field.
  const costs = job.tasks.map(task => task.costMicroCredits ?? null)
  const reported: Credits = { credits: costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0) / 1e6, source: 'reported' }
  const isReported = costs.some(cost => cost !== null)
  const isWhole = job.tasks.every((task, index) => costs[index] !== null || (isFinal(task.status) && task.charge === 'none'))
  if (isReported && isWhole) return reported
  const listed = credits(job.model, job.tasks.length)
  if (listed !== null) return { credits: listed, source: 'table' }
  return isReported ? reported : { credits: null, source: null }
}

/** What a job costs, as clients see it. */
export function costView(job: JobRecord) {
  const size = typeof job.params['size'] === 'string' ? job.params['size'] : undefined
  return {
    multiplier: priceMultiplier(job.model, size),
    ...creditsOf(job),
    billable: billable(job.tasks.map(task => task.charge)),
  }
}

/** What a job's results say that they used, all together; null where none says it. */
export function usageView(job: JobRecord): Usage | null {
  return sumUsage(job.tasks.map(task => task.usage ?? null).filter(usage => usage !== null))
}

/** What a job used and cost, as the provider writes it; of either nothing where no result says it. */
export function reportOf(job: JobRecord): object {
  const [usage, cost] = [usageView(job), creditsOf(job)]
  return {
    ...(usage === null ? {} : { usage }),
    ...(cost.source === 'reported' ? { cost: { amount: cost.credits, currency: 'credit' } } : {}),
  }
}
