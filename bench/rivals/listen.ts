import type { FastifyInstance } from 'fastify'

/** Listens on a free port, tells it to the process that started this one, and goes with it, however that ends. */
export async function listen(app: FastifyInstance): Promise<void> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : null })
  process.on('disconnect', () => process.exit(0))
}
