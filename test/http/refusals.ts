import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ErrorBody } from '../../src/http/errors.ts'
import type { Running } from '../support/service.ts'

export type Refusal = { status: number; code: string; param: string | null; message: string }

/** What an answer refuses, once it is sure that it has the shape that all errors have. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text()
  return checkRefusal(response.status, response.headers.get('content-type'), response.headers.get('x-request-id'), text)
}

export function checkRefusal(status: number, contentType: string | null, requestId: string | null, text: string): Refusal {
  expect(contentType).toBe('application/json; charset=utf-8')
  const body = JSON.parse(text) as ErrorBody
  expect(body).toEqual({
    error: { code: expect.any(String), message: expect.any(String), type: expect.any(String), param: body.error.param },
    request_id: requestId,
  })
  expect(requestId).toMatch(/^[\w.:-]{1,128}$/)
  const { code, message, param } = body.error
  expect(param === null || typeof param === 'string').toBe(true)
  expect(message).not.toMatch(/FST_|Error:|node:|\/src\/|at \w+ \(|undefined|\[object/)
  return { status, code, param, message }
}

/** What lies in the folder of all jobs, paths without the root. */
export async function storedFiles(service: Running): Promise<string[]> {
  try {
    return await readdir(join(service.dataDir, 'jobs'), { recursive: true })
  } catch (error) {
    // A folder went while it was being looked at.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return storedFiles(service)
    throw error
  }
}

/** Looks until it is so; the test's own time limit ends it. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(resolve => setImmediate(resolve))
}

/** Nothing was submitted, nothing kept. */
export async function expectNothingDone(service: Running): Promise<void> {
  expect(service.sandbox?.submits).toEqual([])
  expect(service.sandbox?.charges).toBe(0)
  expect(await service.store.jobs({ owner: null, status: null, model: null, before: null, limit: 100 })).toEqual([])
  expect(await storedFiles(service)).toEqual([])
  expect(service.log.lines.filter(line => line.level === 'error')).toEqual([])
}
