import type Database from 'better-sqlite3'
import type { JobRecord, TaskRef } from '../domain/records.ts'

/** As many as one page of the provider's tasks shows, too. */
const mostJobs = 100
const mostTasks = 100
/** No job lives longer (JOB_TIMEOUT_S is a week at most): older ones are not looked at. */
const longestLifeMs = 8 * 86_400_000

/** What is found by a trace id: the provider's, ours, or a client's own. */
export function traceReads(database: Database.Database, readJobs: (rows: { job_id: string }[]) => JobRecord[]) {
  /** Of each kind the newest, by an index in their order. `(select …)` keeps the value from being looked at when a plan is made. */
  const jobIds = (ofOwner: string) =>
    database.prepare<{ traceId: string; owner: string | null }, { job_id: string }>(`
      select job_id from (select job_id from tasks where trace_id = (select @traceId) ${ofOwner} order by id desc limit ${mostJobs})
      union select id from (select id from jobs where client_trace_id = (select @traceId) ${ofOwner} order by id desc limit ${mostJobs})
      order by job_id desc limit ${mostJobs}`)
  const [idsOfOwner, idsOfAll] = [jobIds('and owner = @owner'), jobIds('and @owner is null')]
  const underTrace = database.prepare<{ clientTraceId: string; oldest: number; from: number; to: number }, TaskRef>(`
    select tasks.id as taskId, job_id as jobId
    from jobs cross join tasks on job_id = jobs.id
    where client_trace_id = (select @clientTraceId) and jobs.created_at between @oldest and @to and jobs.expires_at >= @from
      and provider_task_id is null and attempts > 0
    order by jobs.created_at desc limit ${mostTasks}`)
  return {
    async jobsByTrace(traceId: string, owner: string | null): Promise<JobRecord[]> {
      return readJobs((owner === null ? idsOfAll : idsOfOwner).all({ traceId, owner }))
    },
    async tasksUnderTrace(a: { clientTraceId: string; at: number; slackMs: number }): Promise<TaskRef[]> {
      const [from, to] = [a.at - a.slackMs, a.at + a.slackMs]
      return underTrace.all({ clientTraceId: a.clientTraceId, oldest: from - longestLifeMs, from, to })
    },
  }
}
