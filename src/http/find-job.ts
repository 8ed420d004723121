import { ServiceError } from '../domain/errors.ts'
import { isJobId } from '../domain/ids.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { maySee } from './access.ts'
import type { Caller } from './keyring.ts'

/**
 * The job that a path names: by our id, or by that of any of its tasks at the provider.
 * @throws ServiceError `not_found`, for other keys' jobs alike.
 */
export async function findJob(store: JobStore, caller: Caller, name: string): Promise<JobRecord> {
  const found = isJobId(name) ? [await store.job(name)] : await store.jobsByProviderTask(name)
  const job = found.find(one => one !== null && maySee(caller, one))
  if (job === null || job === undefined) throw noSuchJob()
  return job
}

export function noSuchJob(): ServiceError {
  return new ServiceError('not_found', 'there is no such job', { param: 'taskId' })
}
