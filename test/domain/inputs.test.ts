import { describe, expect, test } from 'vitest'
import { checkPictureFile, checkRequest } from '../../src/domain/request.ts'
import { file, form, json, least, limits, pictureUrl, refusal, refusedFor, taken } from './requests.ts'

const urls = (count: number): string[] => Array.from({ length: count }, (_, index) => `https://example.com/${index}.png`)
const fileInput = (stored: object, role = 'image') => ({ role, url: null, file: stored })
const urlInput = (url: string, role = 'image') => ({ role, url, file: null })

describe('the images', () => {
  test('are a URL, a file, or a list of both, in order', () => {
    const [one, two] = [file('one'), file('two')]
    expect(taken({ image: pictureUrl }).edit.inputs).toEqual([urlInput(pictureUrl)])
    expect(taken({ image: one }).edit.inputs).toEqual([fileInput(one)])
    expect(taken({ image: [two, pictureUrl, one] }).edit.inputs).toEqual([fileInput(two), urlInput(pictureUrl), fileInput(one)])
  })

  test('of a form are files and URLs, as image and image[]', () => {
    const [one, two] = [file('one'), file('two')]
    const fields = form(['prompt', 'x'], ['image[]', one], ['image[]', pictureUrl], ['image[]', two])
    expect(checkRequest(fields, limits).edit.inputs).toEqual([fileInput(one), urlInput(pictureUrl), fileInput(two)])
    const both = form(['image', one], ['image[]', two], ['prompt', 'x'])
    expect(checkRequest(both, limits).edit.inputs).toEqual([fileInput(one), fileInput(two)])
  })

  test('given by URL keep it as it was given', () => {
    for (const url of ['HTTP://EXAMPLE.com', 'https://example.com/a b?x=1#y', `https://example.com/${'x'.repeat(8_000)}`])
      expect(taken({ image: url }).edit.inputs).toEqual([urlInput(url)])
  })

  test.each([
    ['empty', ''],
    ['no URL', 'picture.png'],
    ['a path', '/in.png'],
    ['a file on the disk', 'file:///etc/passwd'],
    ['at an ftp server', 'ftp://example.com/a.png'],
    ['a script', 'javascript:alert(1)'],
    ['a blob', 'blob:https://example.com/1'],
    ['without a host', 'http://'],
    ['of more than 8,192 characters', `https://example.com/${'x'.repeat(8_192)}`],
    ['with a lone surrogate', 'https://example.com/\ud83d'],
    ['a data: URL without base64', 'data:image/svg+xml,<svg/>'],
    ['a number', 7],
    ['a boolean', false],
    ['an object', { image_url: pictureUrl }],
    ['a list in a list', [[pictureUrl]]],
    ['a list with a number', [pictureUrl, 7]],
    ['a list with null', [pictureUrl, null]],
  ])('must not be %s', (_what, image) => {
    expect(refusedFor({ image })).toBe('image')
    expect(refusedFor({ 'image[]': image })).toBe('image[]')
  })

  test('a data: URL that was not taken as a file says how to send one', () => {
    expect(refusal(form(['prompt', 'x'], ['image', 'data:image/png;base64,AAAA'])).message).toContain(
      'send the picture as a file',
    )
  })

  test.each(['image/png', 'image/jpeg', 'image/webp'])('may be files of %s', contentType => {
    const stored = file('x', contentType)
    expect(checkPictureFile('image', stored)).toBe(stored)
    expect(taken({ image: stored }).edit.inputs).toEqual([fileInput(stored)])
  })

  test.each(['image/gif', 'image/avif', 'image/svg+xml', 'application/octet-stream', ''])(
    'must not be files of %j',
    contentType => {
      const stored = file('x', contentType)
      expect(refusedFor({ image: stored })).toBe('image')
      expect(refusedFor({ mask: stored })).toBe('mask')
      expect(() => checkPictureFile('mask', stored)).toThrow('mask must be a PNG, JPEG or WebP file')
    },
  )
})

describe('how many images', () => {
  test.each(['gpt-image-2', 'gpt-image-1', 'gpt-image-1.5', 'nano-banana', 'any-other'])('%s takes 16, and not 17', model => {
    expect(taken({ model, image: urls(16) }).edit.inputs).toHaveLength(16)
    const { param, message } = refusal(json({ ...least, model, image: urls(17) }))
    expect(param).toBe('image')
    expect(message).toContain('16 at most, got 17')
  })

  test('dall-e-2 takes one, and not two', () => {
    expect(taken({ model: 'dall-e-2', image: file() }).edit.inputs).toHaveLength(1)
    expect(refusal(json({ ...least, model: 'dall-e-2', image: urls(2) })).message).toBe('image: dall-e-2 takes 1 at most, got 2')
  })

  test('image and image[] count together, and the mask does not count', () => {
    expect(refusedFor({ image: urls(16), 'image[]': urls(1) })).toBe('image')
    expect(taken({ image: urls(16), mask: pictureUrl }).edit.inputs).toHaveLength(17)
  })
})

describe('the mask', () => {
  test('is a URL or a file, and comes last', () => {
    expect(taken({ mask: pictureUrl }).edit.inputs).toEqual([urlInput(pictureUrl), urlInput(pictureUrl, 'mask')])
    const [image, mask] = [file('image'), file('mask')]
    const fields = form(['mask', mask], ['prompt', 'x'], ['image', image])
    expect(checkRequest(fields, limits).edit.inputs).toEqual([fileInput(image), fileInput(mask, 'mask')])
  })

  test.each([[pictureUrl, pictureUrl], [[pictureUrl]], [7], 7, {}, '', 'mask.png'])('must not be %j', mask => {
    expect(refusedFor({ mask })).toBe('mask')
  })

  test('is dropped, with a warning, where the model ignores it', () => {
    const { edit, warnings } = taken({ model: 'nano-banana', mask: pictureUrl })
    expect(edit.inputs).toEqual([urlInput(pictureUrl)])
    expect(warnings).toEqual(['mask was dropped: nano-banana ignores it'])
  })

  test.each(['gpt-image-2', 'gpt-image-1', 'dall-e-2', 'any-other'])('goes with %s', model => {
    expect(taken({ model, mask: pictureUrl })).toMatchObject({ warnings: [], edit: { inputs: [{}, { role: 'mask' }] } })
  })
})
