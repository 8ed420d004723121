import { describe, expect, test } from 'vitest'
import { look, onlyRecord, openSandbox, submitFile, textAt } from './setting.ts'

/** The URL of the one picture that an edit with this fault comes to. */
async function urlOf(fault: string, model = 'gpt-image-2'): Promise<string> {
  const sandbox = await openSandbox()
  const answer = await submitFile(sandbox, { prompt: `dark fault:${fault}`, model })
  return textAt(await answer.json(), 'data', 0, 'url')
}

async function isPicture(response: Response): Promise<boolean> {
  return (await look(Buffer.from(await response.arrayBuffer()))).format === 'png'
}

describe("a picture's URL that misbehaves", () => {
  test.each([404, 403, 202])('%i-first: its first two downloads are answered so, then the picture comes', async status => {
    const url = await urlOf(`${status}-first`)
    for (const expected of [status, status, 200, 200]) {
      const response = await fetch(url)
      expect(response.status).toBe(expected)
      if (expected === 200) expect(await isPicture(response)).toBe(true)
      else await response.body?.cancel()
    }
  })

  test('404-picture: it is never there', async () => {
    const url = await urlOf('404-picture')
    for (let count = 0; count < 4; count += 1) expect((await fetch(url)).status).toBe(404)
  })

  test.each([
    ['html-picture', 'text/html', /^<!doctype html>/],
    ['json-picture', 'application/json', /^\{"error"/],
    ['empty-picture', 'image/png', /^$/],
    ['odd-picture', 'image/heic', /ftypheic/],
  ])('%s: something else comes with a 200', async (fault, type, body) => {
    const response = await fetch(await urlOf(fault))
    expect([response.status, response.headers.get('content-type')?.split(';')[0]]).toEqual([200, type])
    expect(await response.text()).toMatch(body)
  })

  test('trickle-picture: a byte comes, and no more for a while', async () => {
    const response = await fetch(await urlOf('trickle-picture'))
    const reader = response.body?.getReader()
    expect((await reader?.read())?.value).toEqual(new Uint8Array([0x89]))
    await reader?.cancel()
  })

  test.each([
    ['gzip-picture', 'gzip'],
    ['odd-encoding', 'utf-8'],
  ])('%s: it says that it is encoded', async (fault, encoding) => {
    const response = await fetch(await urlOf(fault))
    expect(response.headers.get('content-encoding')).toBe(encoding)
    expect(await isPicture(response)).toBe(true)
  })
})

test.each([
  ['html-picture', '<!doctype html>'],
  ['json-picture', '{"error"'],
  ['empty-picture', ''],
  ['odd-picture', '\0\0\0\x18ftypheic'],
])('%s: as base64, it is in the place of the picture', async (fault, beginning) => {
  const sandbox = await openSandbox()
  await submitFile(sandbox, { prompt: `dark fault:${fault}`, model: 'gpt-image-1' })
  const bytes = Buffer.from(textAt(await onlyRecord(sandbox), 'response', 'data', 0, 'b64_json'), 'base64')
  expect(bytes.toString('latin1').startsWith(beginning)).toBe(true)
  expect(bytes.length > 0).toBe(beginning !== '')
})

test('bad-item: the result has one item more, an error in JSON', async () => {
  const sandbox = await openSandbox()
  const answer: unknown = await (await submitFile(sandbox, { prompt: 'dark fault:bad-item' })).json()
  expect(answer).toMatchObject({ data: [{ url: expect.any(String) }, { b64_json: expect.any(String) }] })
  expect(JSON.parse(Buffer.from(textAt(answer, 'data', 1, 'b64_json'), 'base64').toString())).toHaveProperty('error')
})
