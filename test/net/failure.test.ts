import { errors } from 'undici'
import { expect, it } from 'vitest'
import { FetchFailed, failureOfConnection, failureOfTransfer, idleFailure } from '../../src/net/failure.ts'

function reasonOf(code: string): string {
  return failureOfConnection(Object.assign(new Error('TLS'), { code })).reason
}

it('a server that went silent is told from one that broke off', () => {
  for (const error of [new errors.HeadersTimeoutError(), new errors.BodyTimeoutError()]) {
    expect(idleFailure(error, 15_000)).toMatchObject({ reason: 'sent nothing for 15 s', retryable: true, cause: error })
  }
  expect(idleFailure(new errors.SocketError('other side closed'), 15_000)).toBeNull()
})

it('a certificate that does not hold is told from a handshake that fails', () => {
  for (const code of [
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ]) {
    expect(reasonOf(code)).toBe('has no certificate that we trust')
  }
  expect(reasonOf('ERR_SSL_WRONG_VERSION_NUMBER')).toBe('could not be reached')
})

it('an error that is no Error makes a failure all the same', () => {
  expect(failureOfConnection('odd')).toMatchObject({ reason: 'could not be reached', retryable: true, status: null })
  expect(failureOfTransfer(null)).toMatchObject({ reason: 'broke off', retryable: true, status: 200 })
})

it('a failure that has its reason already keeps it', () => {
  const failure = new FetchFailed('answered 404', { status: 404 })
  expect(failureOfConnection(failure)).toBe(failure)
  expect(failureOfTransfer(failure)).toBe(failure)
})
