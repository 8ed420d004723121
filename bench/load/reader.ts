import type { Socket } from 'node:net'
import { apiKey } from '../rows/identity.ts'
import { dial, openConnection } from './connection.ts'
import { getRequest } from './protocol.ts'

/*
 * Many readers of server-sent events, in a process of its own. It also sends the request that sets an event off, so that both
 * ends of a time are of one clock. Arguments: the port, and how many readers.
 */

export type ToReaders = { head: string; needle: string }
/** From sending the request until the first, the middle and the last reader had the event, in ms; and the event as it came. */
export type FromReaders = { firstMs: number; middleMs: number; lastMs: number; text: string }

const [port = 0, count = 0] = process.argv.slice(2).map(Number)
const dialledAtOnce = 50
const heard: string[] = []
let onText = (_reader: number): void => {}

async function follow(reader: number): Promise<Socket> {
  const socket = await dial(port)
  heard[reader] = ''
  socket.write(getRequest('/events', apiKey))
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (text: string) => {
      heard[reader] += text
      if (heard[reader]?.includes('\r\n\r\n') === true) resolve()
      onText(reader)
    })
    socket.once('close', () => reject(new Error('the server closed the connection of a reader')))
  })
  if (!(heard[reader] ?? '').startsWith('HTTP/1.1 200')) throw new Error(`a reader was answered with ${heard[reader]}`)
  return socket
}

/** Sends one request, and waits until every reader has an event with the needle in it. */
async function time({ head, needle }: ToReaders): Promise<FromReaders> {
  for (const reader of heard.keys()) heard[reader] = ''
  const connection = await openConnection(port)
  const atMs: number[] = []
  const done = new Promise<void>(resolve => {
    const seen = new Set<number>()
    onText = reader => {
      const text = heard[reader] ?? ''
      const at = text.indexOf(needle)
      // The whole event, up to its blank line.
      if (at < 0 || seen.has(reader) || !text.includes('\n\n', at)) return
      seen.add(reader)
      atMs.push(performance.now())
      if (seen.size === count) resolve()
    }
  })
  const sentAt = performance.now()
  const answer = await connection.exchange(head, undefined)
  if (answer.status !== 200) throw new Error(`the request was answered with ${answer.status}: ${answer.body}`)
  await done
  onText = () => {}
  connection.close()
  const after = atMs.map(at => at - sentAt)
  const text = heard[0] ?? ''
  return { firstMs: after[0] ?? 0, middleMs: after[Math.floor(count / 2)] ?? 0, lastMs: after.at(-1) ?? 0, text }
}

for (let from = 0; from < count; from += dialledAtOnce) {
  const some = Array.from({ length: Math.min(dialledAtOnce, count - from) }, (_, index) => from + index)
  await Promise.all(some.map(follow))
}
process.on('message', (message: ToReaders) => {
  time(message).then(
    times => process.send?.(times),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.({ port })
