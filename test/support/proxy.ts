import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export type Proxy = {
  url: string
  /** Connections so far. */
  count(): number
  /** Cuts off all that go through it now, to both sides at once. */
  cut(): void
}

const retryMs = 50

/**
 * A proxy for bytes. It knocks at the service until it opens, so that a client does not notice a restart but by what breaks.
 * @param cutAfterMs for each connection by its number, from 0 on; null: it may live.
 */
export async function startProxy(target: string, cutAfterMs: (index: number) => number | null = () => null): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const open = new Set<Socket>()
  let count = 0
  const follow = (socket: Socket): Socket => {
    open.add(socket)
    return socket.on('error', () => {}).once('close', () => open.delete(socket))
  }
  const server = createServer({ pauseOnConnect: true }, client => {
    follow(client)
    const limitMs = cutAfterMs(count++)
    const cutting = limitMs === null ? null : setTimeout(() => client.destroy(), limitMs)
    let upstream: Socket | null = null
    const knock = (): void => {
      const socket = follow(connect({ host: hostname, port: Number(port) }))
      upstream = socket
      const knockAgain = (): void => void (client.destroyed || setTimeout(knock, retryMs))
      socket.once('error', knockAgain).once('connect', () => {
        socket.off('error', knockAgain).once('close', () => client.destroy())
        client.pipe(socket)
        socket.pipe(client)
      })
    }
    client.once('close', () => {
      clearTimeout(cutting ?? undefined)
      upstream?.destroy()
    })
    knock()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  onTestFinished(() => {
    server.close()
    cut()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return { url: `http://127.0.0.1:${address.port}`, count: () => count, cut }
}
