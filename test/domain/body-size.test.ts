import { describe, expect, test } from 'vitest'
import { sizeWarning, tooLargeWords } from '../../src/domain/body-size.ts'
import type { EditRequest, Input } from '../../src/domain/request.ts'

const mb = 2 ** 20
const file = (sizeBytes: number, url: string | null = null): Input => ({
  role: 'image',
  url,
  file: { name: 'in-0', sizeBytes, sha256: '', contentType: 'image/png', width: null, height: null },
})
const edit = (inputs: readonly Input[], model = 'gpt-image-2'): EditRequest => ({ model, prompt: 'x', inputs, params: {}, n: 1 })
const url = 'https://example.com/a.png'

describe('a request that may be more than the provider takes', () => {
  test('is told of, with its size and what to do', () => {
    expect(sizeWarning(edit([file(15 * mb), file(14 * mb)]))).toMatch(
      /^the pictures make 29\.0 MB, and the provider takes 28 to 30 MB .*smaller pictures, or their URLs/,
    )
    expect(sizeWarning(edit([file(27 * mb)]))).toBeNull()
  })

  test('counts what goes as a file, whoever fetched it', () => {
    expect(sizeWarning(edit([file(29 * mb, url)]))).toBeNull()
    expect(sizeWarning(edit([file(29 * mb, url)], 'gpt-image-1'))).not.toBeNull()
    expect(sizeWarning(edit([file(29 * mb, url), file(1)]))).not.toBeNull()
  })
})

test('a request that was too large is told its size', () => {
  expect(tooLargeWords(31.25 * mb)).toMatch(/^the request had 31\.3 MB/)
})
