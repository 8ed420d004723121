import { describe, expect, test } from 'vitest'
import { type ErrorCode, invalid, isDiskFull, ServiceError, statusOfCode } from '../../src/domain/errors.ts'

describe('an error that clients see', () => {
  test.each<[ErrorCode, number, string]>([
    ['invalid_request', 400, 'invalid_request_error'],
    ['canceled', 400, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['payment_required', 402, 'permission_error'],
    ['forbidden', 403, 'permission_error'],
    ['not_found', 404, 'not_found_error'],
    ['request_timeout', 408, 'invalid_request_error'],
    ['conflict', 409, 'invalid_request_error'],
    ['payload_too_large', 413, 'invalid_request_error'],
    ['unsupported_media_type', 415, 'invalid_request_error'],
    ['idempotency_mismatch', 422, 'invalid_request_error'],
    ['expired', 424, 'invalid_request_error'],
    ['rate_limited', 429, 'rate_limit_error'],
    ['internal_error', 500, 'api_error'],
    ['bad_gateway', 502, 'api_error'],
    ['unavailable', 503, 'api_error'],
    ['timeout', 504, 'api_error'],
    ['storage_full', 507, 'api_error'],
  ])('%s is answered with %i, of type %s', (code, status, type) => {
    expect(statusOfCode[code]).toBe(status)
    const error = new ServiceError(code, 'told')
    expect(error).toMatchObject({ name: 'ServiceError', message: 'told', code, status, type, param: null, retryAfterS: null })
    expect('cause' in error).toBe(false)
  })

  test('carries what it is told', () => {
    const cause = new Error('inner')
    const error = new ServiceError('rate_limited', 'slow down', { param: 'n', retryAfterS: 7, cause })
    expect(error).toMatchObject({ param: 'n', retryAfterS: 7, cause })
  })

  test('that is about a field names it', () => {
    expect(invalid('size', 'size is odd')).toMatchObject({
      code: 'invalid_request',
      status: 400,
      param: 'size',
      message: 'size is odd',
    })
  })
})

test.each([
  ['ENOSPC', true],
  ['EDQUOT', true],
  ['SQLITE_FULL', true],
  ['EIO', false],
  ['SQLITE_BUSY', false],
])('%s says that the disk is full: %s', (code, expected) => {
  expect(isDiskFull(Object.assign(new Error('failed'), { code }))).toBe(expected)
})

test.each([[new Error('ENOSPC')], [{ code: 'ENOSPC' }], ['ENOSPC'], [null], [undefined]])('%j does not', error => {
  expect(isDiskFull(error)).toBe(false)
})
