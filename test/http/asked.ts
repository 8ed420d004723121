import { expect } from 'vitest'
import type { Running } from '../support/service.ts'
import { checkerOf, named, operationsOf, readDocument } from './document.ts'

export type Seen = { status: number; headers: Headers; body: unknown }

export type Asker = {
  /** Sends a request, and makes sure that its answer is one of those that the document tells of. */
  ask: (operation: string, path: string, init?: RequestInit) => Promise<Seen>
  /** Tells what is wrong with a value by the schema of that name. */
  problems: (name: string, value: unknown) => string[]
  /** The same, of what was sent as the webhook of that name. */
  webhookProblems: (name: string, value: unknown) => string[]
  /** `POST /jobs 202`, …: what was answered so far. */
  answered: ReadonlySet<string>
}

/** Reads the document of a service, and holds all answers to it. */
export async function askerOf(service: Running): Promise<Asker> {
  const document = await readDocument(service)
  const operations = operationsOf(document)
  const check = checkerOf(document)
  const answered = new Set<string>()

  async function ask(operation: string, path: string, init?: RequestInit): Promise<Seen> {
    const response = await service.call(path, init)
    const text = Buffer.from(await response.arrayBuffer()).toString()
    const { status, headers } = response
    const told = operations.get(operation)?.responses[status]
    const about = `${operation} ${status}: ${text.slice(0, 300)}`
    expect(told, about).toBeDefined()
    answered.add(`${operation} ${status}`)
    expect(headers.get('x-content-type-options'), about).toBe('nosniff')
    expect(headers.get('x-request-id'), about).not.toBeNull()
    const type = headers.get('content-type')?.split(';')[0] ?? null
    if (told?.content === undefined) {
      expect([about, text]).toEqual([about, ''])
      return { status, headers, body: null }
    }
    const media = told.content[type ?? '']
    expect(media, `${about} as ${type}`).toBeDefined()
    if (type !== 'application/json') return { status, headers, body: text }
    const body: unknown = JSON.parse(text)
    expect([about, check(media?.schema ?? {}, body)]).toEqual([about, []])
    return { status, headers, body }
  }

  return {
    ask,
    answered,
    problems: (name, value) => check(named(name), value),
    webhookProblems: (name, value) =>
      check(document.webhooks[name]?.post.requestBody?.content['application/json']?.schema ?? { not: {} }, value),
  }
}

export const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})
