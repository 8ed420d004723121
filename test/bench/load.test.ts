import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { expect as answerOf, getRequest, postHead } from '../../bench/load/protocol.ts'
import { runLoad } from '../../bench/load/run.ts'

const never = (): boolean => false
const ok = { status: 200, begins: 'fine', bytes: 4 }

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return address.port
}

test('every request is sent once, and every answer is counted and timed', async () => {
  const seen: string[] = []
  const port = await serve((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.end('fine')
  })
  const requests = ['/a', '/b', '/c'].map(path => ({ head: getRequest(path, 'key'), answer: ok }))
  const measured = await runLoad({ port, connections: 2, requests }, new Map(), never)
  expect(seen.toSorted()).toEqual(['GET /a', 'GET /b', 'GET /c'])
  expect(measured).toMatchObject({ requests: 3, statuses: { 200: 3 }, wrong: null })
  expect(measured.latenciesMs).toHaveLength(3)
})

test('a body that was given before follows its head', async () => {
  const port = await serve((request, response) => {
    request.setEncoding('utf8')
    request.on('data', (text: string) => response.write(text))
    request.on('end', () => response.end())
    response.setHeader('content-length', 5)
  })
  const requests = [{ head: postHead('/', 5), body: 'large', answer: answerOf(200, 'bytes') }]
  const bodies = new Map([['large', Buffer.from('bytes')]])
  const measured = await runLoad({ port, connections: 1, requests, keepAnswers: true }, bodies, never)
  expect(measured.answers[0]?.text).toBe('bytes')
  expect(measured.wrong).toBeNull()
})

test.each([
  ['a status', 500, 'fine'],
  ['a length', 200, 'fine, but longer'],
  ['a beginning', 200, 'fail'],
])('%s that is not as it must be ends the load, and is told', async (_what, status, body) => {
  const port = await serve((_request, response) => response.writeHead(status, { 'content-length': body.length }).end(body))
  const requests = [{ head: getRequest('/a', 'key'), answer: ok }]
  const measured = await runLoad({ port, connections: 1, requests, count: 100 }, new Map(), never)
  expect(measured.wrong).toBe(`GET /a HTTP/1.1 was answered with ${status}: ${body}`)
  expect(measured.requests).toBe(1)
})

test('an answer whose end cannot be seen is told', async () => {
  const port = await serve((_request, response) => {
    response.write('fi')
    response.end('ne')
  })
  const requests = [{ head: getRequest('/a', 'key'), answer: ok }]
  await expect(runLoad({ port, connections: 1, requests }, new Map(), never)).rejects.toThrow('without a content-length')
})

test('a server that hangs up is told', async () => {
  const port = await serve(request => request.socket.destroy())
  const requests = [{ head: getRequest('/a', 'key'), answer: ok }]
  await expect(runLoad({ port, connections: 1, requests }, new Map(), never)).rejects.toThrow('closed a connection')
})

test('a load without an end goes on until it is stopped', async () => {
  let count = 0
  const port = await serve((_request, response) => {
    count += 1
    response.end('fine')
  })
  const requests = [{ head: getRequest('/a', 'key'), answer: ok }]
  const measured = await runLoad({ port, connections: 1, requests, untilStopped: true }, new Map(), () => count >= 25)
  expect(measured.requests).toBe(25)
})
