import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  credits,
  defaultModel,
  encodingFor,
  findModel,
  maxImagesPerRequest,
  models,
  priceMultiplier,
  sizeAliases,
  sizePresets,
  sizeProblem,
} from '../../src/domain/models.ts'

describe('the catalogue', () => {
  const rows = [
    // id, JSON URLs, a form's URL, mask, images, n, size, ignores params, returns, credits
    ['gpt-image-2', true, false, true, 16, 'ignored', 'checked', false, 'url', null],
    ['gpt-image-1', false, false, true, 16, 'ignored', 'passed', false, 'b64_json', null],
    ['gpt-image-1.5', false, false, true, 16, 'ignored', 'passed', false, 'b64_json', null],
    ['dall-e-2', false, false, true, 1, 'native', 'passed', false, 'either', null],
    ['nano-banana', false, true, false, 16, 'ignored', 'ignored', true, 'url', 0.14],
    ['nano-banana-2', false, true, false, 16, 'ignored', 'ignored', true, 'url', 0.28],
    ['nano-banana-pro', false, true, false, 16, 'ignored', 'ignored', true, 'url', 0.35],
    ['gpt-image-2.5-flare', false, false, true, 16, 'ignored', 'passed', false, 'b64_json', null],
    ['gpt-image-2.5-sunburst', false, false, true, 16, 'ignored', 'passed', false, 'b64_json', null],
    ['chatgpt-image-latest', false, false, true, 16, 'ignored', 'passed', false, 'b64_json', null],
    ['dall-e-3', false, false, true, 16, 'ignored', 'passed', false, 'b64_json', null],
    ['nano-banana-2-lite', false, true, false, 16, 'ignored', 'ignored', true, 'url', null],
  ] as const

  test.each(rows)('%s takes and gives what the provider documents', (...row) => {
    const [id, takesJsonUrls, takesFormUrl, takesMask, maxImages, n, size, ignoresParams, returns, each] = row
    expect(findModel(id)).toEqual({
      id,
      takesJsonUrls,
      takesFormUrl,
      takesMask,
      maxImages,
      n,
      size,
      ignoresParams,
      returns,
      credits: each,
    })
  })

  test.each(['gpt-image-2:official', 'gpt-image-2:reverse', 'gpt-image-2.5-flare:official', 'nano-banana-pro:official'])(
    '%s takes what the model before the colon takes, at a price that is not known',
    id => {
      expect(findModel(id)?.id).toBe(id.split(':')[0])
      expect(credits(id, 1)).toBeNull()
    },
  )

  test('there are no other models, and the default is one of them', () => {
    expect(models.map(model => model.id)).toEqual(rows.map(row => row[0]))
    expect(findModel(defaultModel)?.id).toBe('gpt-image-2')
    expect(maxImagesPerRequest).toBe(16)
  })

  test.each(['', 'gpt-image-3', 'GPT-IMAGE-2', 'gpt-image-2 ', '__proto__', 'constructor'])(
    '%j is a model it does not know',
    id => {
      expect(findModel(id)).toBeUndefined()
    },
  )
})

const presetTable = `
1:1  1024x1024 2048x2048 2880x2880
4:3  1536x1024 2048x1536 3264x2448
3:4  1024x1536 1536x2048 2448x3264
16:9 1792x1024 2048x1152 3840x2160
9:16 1024x1792 1152x2048 2160x3840`
const presets = presetTable
  .trim()
  .split('\n')
  .flatMap(line => {
    const [ratio = '', ...sizes] = line.split(/ +/)
    return sizes.map((size, index) => ({ ratio, size, resolution: ['1K', '2K', '4K'][index], multiplier: [1, 1.5, 1.5][index] }))
  })

describe('a size of gpt-image-2', () => {
  test('the presets are those of the price list', () => {
    expect(sizePresets).toEqual(presets)
  })

  test.each(presets)('$size ($ratio, $resolution) is good, and costs $multiplier', ({ size, multiplier }) => {
    expect(sizeProblem(size)).toBeNull()
    expect(priceMultiplier('gpt-image-2', size)).toBe(multiplier)
  })

  test.each(['1254x1254', '1672x941', '941x1672'])('the alias %s is good at the price of 1K, though no multiple of 16', size => {
    expect(sizeAliases).toContain(size)
    expect(sizeProblem(size)).toBeNull()
    expect(priceMultiplier('gpt-image-2', size)).toBe(1)
  })

  test.each([undefined, '', 'auto'])('%j costs as much as 1K', size => {
    expect(sizeProblem(size ?? '')).toBeNull()
    expect(priceMultiplier('gpt-image-2', size)).toBe(1)
  })

  test.each(['16x16', '16x3840', '3840x16', '3840x2160', '2160x3840', '2880x2880', '1024x1040', '3600x2304'])(
    '%s is within every limit',
    size => expect(sizeProblem(size)).toBeNull(),
  )

  test.each([
    ['0x0', 'multiples'],
    ['0x1024', 'multiples'],
    ['8x8', 'multiples'],
    ['1024x1000', 'multiples'],
    ['1000x1024', 'multiples'],
    ['1254x1253', 'multiples'],
    ['941x1673', 'multiples'],
    ['3856x16', 'long side'],
    ['16x3856', 'long side'],
    ['99999984x16', 'long side'],
    ['2896x2880', 'width times height'],
    ['3840x2176', 'width times height'],
    ['AUTO', 'WIDTHxHEIGHT'],
    [' auto', 'WIDTHxHEIGHT'],
    ['1024', 'WIDTHxHEIGHT'],
    ['1024x', 'WIDTHxHEIGHT'],
    ['1024X1024', 'WIDTHxHEIGHT'],
    ['1024×1024', 'WIDTHxHEIGHT'],
    ['1024x1024x1024', 'WIDTHxHEIGHT'],
    ['01024x1024', 'WIDTHxHEIGHT'],
    ['-1024x1024', 'WIDTHxHEIGHT'],
    ['1024.0x1024', 'WIDTHxHEIGHT'],
    ['1e3x1e3', 'WIDTHxHEIGHT'],
    ['1024x1024\n', 'WIDTHxHEIGHT'],
    ['１０２４x1024', 'WIDTHxHEIGHT'],
    ['1k', 'WIDTHxHEIGHT'],
  ])('%j is refused for its %s', (size, why) => {
    expect(sizeProblem(size)).toContain(why)
  })

  test('any size within the limits is good, and one beyond any of them is not', () => {
    const side = fc.integer({ min: 1, max: 300 }).map(steps => steps * 16)
    fc.assert(
      fc.property(side, side, (width, height) => {
        const isGood = Math.max(width, height) <= 3840 && width * height <= 8_294_400
        expect(sizeProblem(`${width}x${height}`) === null).toBe(isGood)
        expect(sizeProblem(`${width + 1}x${height}`)).not.toBeNull()
      }),
    )
  })
})

describe('what a job costs', () => {
  test.each(['1040x1040', '512x512', '256x256', '1536x1040'])('the custom size %s costs half as much again', size => {
    expect(priceMultiplier('gpt-image-2', size)).toBe(1.5)
  })

  test.each(['gpt-image-1', 'dall-e-2', 'nano-banana', 'no-such-model'])('%s has no price by size', model => {
    expect(priceMultiplier(model, '3840x2160')).toBe(1)
  })

  test.each([
    ['nano-banana', 1, 0.14],
    ['nano-banana', 3, 0.42],
    ['nano-banana-2', 3, 0.84],
    ['nano-banana-pro', 1, 0.35],
    ['nano-banana-pro', 3, 1.05],
    ['nano-banana-pro', 10, 3.5],
    ['gpt-image-2', 2, null],
    ['dall-e-2', 1, null],
    ['no-such-model', 1, null],
  ])('%s for %i tasks is %d credits', (model, tasks, price) => {
    expect(credits(model, tasks)).toBe(price)
  })
})

const image = { url: { role: 'image', url: 'https://example.com/a.png' }, file: { role: 'image', url: null } } as const
const mask = { url: { role: 'mask', url: 'https://example.com/m.png' }, file: { role: 'mask', url: null } } as const
const combinations = {
  'a URL': [image.url],
  'two URLs': [image.url, image.url],
  'a file': [image.file],
  'a URL and a file': [image.url, image.file],
  'a URL and a mask by URL': [image.url, mask.url],
  'a URL and a mask file': [image.url, mask.file],
  'a file and a mask by URL': [image.file, mask.url],
} as const
type Combination = keyof typeof combinations

/** `json`, or `form` and for each picture whether it goes as a file or by its URL. */
function planOf(model: string, combination: Combination): string {
  const { body, asFile } = encodingFor(model, combinations[combination])
  return body === 'json' ? `json ${asFile.some(Boolean)}` : ['form', ...asFile.map(file => (file ? 'file' : 'url'))].join(' ')
}

describe('how a request goes to the provider', () => {
  const filesOnly: Readonly<Record<Combination, string>> = {
    'a URL': 'form file',
    'two URLs': 'form file file',
    'a file': 'form file',
    'a URL and a file': 'form file file',
    'a URL and a mask by URL': 'form file file',
    'a URL and a mask file': 'form file file',
    'a file and a mask by URL': 'form file file',
  }
  const expected: Readonly<Record<string, Readonly<Record<Combination, string>>>> = {
    'gpt-image-2': { ...filesOnly, 'a URL': 'json false', 'two URLs': 'json false' },
    'gpt-image-1': filesOnly,
    'gpt-image-1.5': filesOnly,
    'dall-e-2': filesOnly,
    'nano-banana': { ...filesOnly, 'a URL': 'form url' },
    'nano-banana-2': { ...filesOnly, 'a URL': 'form url' },
    'nano-banana-pro': { ...filesOnly, 'a URL': 'form url' },
    'nano-banana-2-lite': { ...filesOnly, 'a URL': 'form url' },
    'gpt-image-2.5-flare': filesOnly,
    'gpt-image-2.5-sunburst': filesOnly,
    'chatgpt-image-latest': filesOnly,
    'dall-e-3': filesOnly,
    'gpt-image-2:official': { ...filesOnly, 'a URL': 'json false', 'two URLs': 'json false' },
    'any-other': {
      'a URL': 'json false',
      'two URLs': 'json false',
      'a file': 'form file',
      'a URL and a file': 'form url file',
      'a URL and a mask by URL': 'json false',
      'a URL and a mask file': 'form url file',
      'a file and a mask by URL': 'form file url',
    },
  }
  for (const [model, plans] of Object.entries(expected)) {
    test(`${model}: every combination of pictures has its way`, () => {
      for (const combination of Object.keys(combinations) as Combination[])
        expect(`${combination}: ${planOf(model, combination)}`).toBe(`${combination}: ${plans[combination]}`)
    })
  }

  test('every known model is in the table', () => {
    expect(models.filter(model => !(model.id in expected))).toEqual([])
  })
})
