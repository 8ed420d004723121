import { expect } from 'vitest'
import { type ParsedFamily, parseExposition, valueOf } from '../support/exposition.ts'
import type { Running } from '../support/service.ts'

export const adminKey = 'key-of-admin'
export const asAdmin = { headers: { authorization: `Bearer ${adminKey}` } }

export type Scrape = {
  families: Map<string, ParsedFamily>
  /** The value of one line. @throws where there is none. */
  of: (name: string, labels?: Record<string, string>) => number
}

/** Asks for all figures, and reads them strictly. */
export async function scrape(service: Running): Promise<Scrape> {
  const response = await service.call('/metrics', asAdmin)
  expect(response.status).toBe(200)
  const families = parseExposition(await response.text())
  return {
    families,
    of(name, labels = {}) {
      const value = valueOf(families, name, labels)
      if (value === undefined) throw new Error(`no line ${name} ${JSON.stringify(labels)}`)
      return value
    },
  }
}
