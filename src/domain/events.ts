/** What a job's history and its webhooks tell of. */
export const jobEventTypes = [
  'job.processing',
  'job.succeeded',
  'job.failed',
  'job.canceled',
  'job.expired',
  'job.late_result',
] as const
export type JobEventType = (typeof jobEventTypes)[number]
