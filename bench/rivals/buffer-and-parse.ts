import { open } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import { listen } from './listen.ts'

/*
 * Takes callbacks with pictures in base64 as most services do: the body is read whole and parsed, each picture decoded, written
 * and synced. Argument: the folder for the pictures, which has one for each job.
 */

type Result = { data: { data: { b64_json: string }[] } }

const [folder = ''] = process.argv.slice(2)
const app = Fastify({ logger: false, bodyLimit: 64 * 2 ** 20 })

app.post<{ Params: { job: string }; Body: Result }>('/callbacks/:job', async request => {
  for (const [index, { b64_json: base64 }] of request.body.data.data.entries()) {
    const file = await open(join(folder, request.params.job, `out-${index}`), 'wx')
    try {
      await file.writeFile(Buffer.from(base64, 'base64'))
      await file.datasync()
    } finally {
      await file.close()
    }
  }
  return { received: true, outcome: 'applied' }
})

await listen(app)
