import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openDisk } from '../../src/files/disk.ts'
import { makeMeter } from '../../src/metrics/meter.ts'
import { type NotifyStep, startNotify } from '../../src/steps/notify.ts'
import { makeResultBodies } from '../../src/steps/result-body.ts'
import { makeSender } from '../../src/webhook/send.ts'
import { testClock } from './clock.ts'
import { testFolder } from './folder.ts'
import { newJob, request } from './jobs.ts'
import { type Answer, startReceiver } from './receiver.ts'
import { testLog } from './service.ts'
import { testStore } from './store.ts'

const links = { job: (id: string) => `/jobs/${id}`, image: () => '/image', input: () => '/input' }

export const webhookSecret = (): string => `whsec_${randomBytes(24).toString('base64')}`

/** A store and a clock that stands still, and the step that sends what is to be sent. */
export async function testOutbox() {
  const store = await testStore()
  const clock = testClock()
  const bodies = makeResultBodies(await openDisk(join(await testFolder(), 'jobs')), links)
  const secret = webhookSecret()
  /** A job that was canceled, and whose webhook is to be told so. */
  const add = async (webhookUrl: string) => {
    const job = newJob({ now: clock.now(), request: { ...request, webhookUrl, webhookEvents: ['job.canceled'] } })
    await store.createJob(job)
    await store.cancelJob({ jobId: job.id, now: clock.now() })
    return job
  }
  /** Can be called again and again, as after a restart. */
  const start = (): NotifyStep => {
    const sender = makeSender({ allowPrivate: true }, [secret], '0')
    const step = startNotify({
      by: 'me',
      store,
      clock,
      log: testLog(),
      meter: makeMeter().meter,
      chance: () => 0.5,
      links,
      sender,
      bodies,
    })
    onTestFinished(() => step.close(AbortSignal.abort()))
    return step
  }
  return { store, clock, add, start }
}

/** An outbox with one notice in it, for a receiver that answers as it is told. */
export async function oneNotice(answer: (count: number) => Answer) {
  const receiver = await startReceiver(answer)
  const outbox = await testOutbox()
  const { store } = outbox
  const job = await outbox.add(receiver.url)
  const delivery = async () => (await store.deliveries(job.id))[0]
  /** Resolves when so many attempts are noted. */
  const noted = async (count: number) => {
    for (;;) {
      const found = await delivery()
      if (found !== undefined && found.attempts.length >= count) return found
      await new Promise<void>(resolve => {
        const stop = store.onChange(() => {
          stop()
          resolve()
        })
      })
    }
  }
  return { ...outbox, receiver, job, delivery, noted }
}
