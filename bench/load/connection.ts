import { connect, type Socket } from 'node:net'

export type Answer = { status: number; body: string }

/** A kept connection on which one request at a time is under way. */
export type Connection = {
  exchange(head: string, body: Uint8Array | undefined): Promise<Answer>
  close(): void
}

const endOfHead = '\r\n\r\n'
const statusLine = /^HTTP\/1\.1 (\d{3})/
const contentLength = /\r\ncontent-length: (\d+)/i

/** Connects to a port of this machine; what comes is text of one byte a character. */
export function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.setEncoding('latin1')
      resolve(socket)
    })
  })
}

/** Speaks as much HTTP as the servers here answer with: plain sockets, because a client's own work competes with the server's. */
export async function openConnection(port: number): Promise<Connection> {
  const socket = await dial(port)
  let received = ''
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null
  const fail = (error: Error): void => waiting?.reject(error)
  socket.on('data', (text: string) => {
    received = received === '' ? text : received + text
    const headLength = received.indexOf(endOfHead)
    if (headLength < 0) return
    const bodyAt = headLength + endOfHead.length
    const bodyLength = Number(contentLength.exec(received)?.[1] ?? Number.NaN)
    if (Number.isNaN(bodyLength)) return fail(new Error(`an answer without a content-length: ${received.slice(0, headLength)}`))
    if (received.length < bodyAt + bodyLength) return
    const answer = { status: Number(statusLine.exec(received)?.[1]), body: received.slice(bodyAt, bodyAt + bodyLength) }
    received = ''
    waiting?.resolve(answer)
  })
  socket.on('error', fail)
  socket.on('close', () => fail(new Error(`the server closed a connection${received === '' ? '' : ` after: ${received}`}`)))
  return {
    exchange(head, body) {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(head, 'latin1')
        if (body !== undefined) socket.write(body)
      })
    },
    close: () => void socket.destroy(),
  }
}
