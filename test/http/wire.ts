import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export type RawAnswer = { status: number; headers: Record<string, string>; body: string }

export type Line = {
  socket: Socket
  send(data: string | Buffer): void
  /** Resolves with the next whole answer. */
  answer(): Promise<RawAnswer>
  /** Resolves with all that came, when the other side has closed. */
  closed(): Promise<string>
}

/** Takes a whole answer off the front of what has come; null where there is none yet. */
function takeAnswer(text: string): { answer: RawAnswer; rest: string } | null {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const status = Number(first.split(' ')[1])
  if (status === 100) return takeAnswer(text.slice(end + 4))
  const headers = Object.fromEntries(
    lines.map(line => {
      const at = line.indexOf(':')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
  const length = Number(headers['content-length'] ?? 0)
  const body = text.slice(end + 4, end + 4 + length)
  if (body.length < length) return null
  return { answer: { status, headers, body }, rest: text.slice(end + 4 + length) }
}

/** A bare TCP connection, for what no HTTP client would send. Text goes out and comes back as latin1, a byte a character. */
export async function openLine(url: string): Promise<Line> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.setEncoding('latin1').on('error', () => {})
  onTestFinished(() => void socket.destroy())
  let text = ''
  let wanted: ((answer: RawAnswer) => void) | null = null
  const look = (): void => {
    const found = wanted === null ? null : takeAnswer(text)
    if (found === null) return
    text = found.rest
    wanted?.(found.answer)
    wanted = null
  }
  socket.on('data', chunk => {
    text += String(chunk)
    look()
  })
  const closed = new Promise<string>(resolve => socket.once('close', () => resolve(text)))
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return {
    socket,
    send: data => void socket.write(data, 'latin1'),
    answer: () =>
      new Promise((resolve, reject) => {
        wanted = resolve
        look()
        void closed.then(rest => reject(new Error(`closed without an answer: ${JSON.stringify(rest.slice(0, 200))}`)))
      }),
    closed: () => closed,
  }
}

/** Sends these bytes on a connection of their own and gives the first answer. */
export async function sendRaw(url: string, data: string | Buffer): Promise<RawAnswer> {
  const line = await openLine(url)
  line.send(data)
  return line.answer()
}

/** A request's head, its lines joined. */
export function head(first: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries({ host: 'test', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return [`${first} HTTP/1.1`, ...lines, '', ''].join('\r\n')
}
