import { expect, test } from 'vitest'
import { usageOf } from '../../src/domain/usage.ts'

test('what tasks used is summed over them, in groups too, and is unknown where the provider says it of none', () => {
  const usage = { total_tokens: 10, input_tokens_details: { text_tokens: 1, image_tokens: 2 }, unit: 'token' }
  expect(usageOf([])).toBeNull()
  expect(usageOf([{}, { usage: null }])).toBeNull()
  expect(usageOf([{ usage }, { usage: null }])).toEqual(usage)
  expect(usageOf([{ usage }, { usage: { total_tokens: 5, input_tokens_details: { text_tokens: 4 }, other: 1 } }])).toEqual({
    total_tokens: 15,
    input_tokens_details: { text_tokens: 5, image_tokens: 2 },
    unit: 'token',
    other: 1,
  })
})
