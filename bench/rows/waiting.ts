import { idMaker } from '../../src/domain/ids.ts'
import { makeSigner } from '../../src/domain/signer.ts'
import { commandsOn, withDatabase } from './database.ts'
import { secret } from './identity.ts'
import { newJob, type PreparedTask, submitJobs } from './jobs.ts'

/** Tasks claimed in one step: each claim looks at all that are queued, so few at a time go fastest. */
const tasksAtOnce = 250

const signer = makeSigner([secret])

/** Where the provider is to POST a task's result. */
export const callbackPath = ({ taskId }: PreparedTask): string => `/callbacks/${signer.callbackToken(taskId)}`

/** What is answered to a callback that was the first for its task. */
export const applied = '{"received":true,"outcome":"applied"}'

/** Adds jobs of one task each, submitted and waiting for their callback, to a database that may be new. */
export function addWaiting(path: string, count: number): Promise<PreparedTask[]> {
  return withDatabase(path, database => {
    const commands = commandsOn(database)
    const newId = idMaker({ now: () => Date.now(), after: () => () => {} })
    const tasks: PreparedTask[] = []
    const add = database.transaction(() => {
      const now = Date.now()
      const jobs = Array.from({ length: Math.min(tasksAtOnce, count - tasks.length) }, () => newJob(newId('job'), now))
      tasks.push(...submitJobs(commands, jobs, now))
    })
    while (tasks.length < count) add()
    return tasks
  })
}
