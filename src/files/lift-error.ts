/**
 * `malformed`: not JSON, or a picture's text is not base64. The others: more than the options of `liftJson` allow.
 */
export type LiftErrorKind = 'malformed' | 'too_deep' | 'body_too_large' | 'json_too_large' | 'file_too_large' | 'too_many_files'

/** A body that could not be taken apart, for a reason that lies in the body. Nothing of its pictures is left. */
export class LiftError extends Error {
  override readonly name = 'LiftError'
  readonly kind: LiftErrorKind
  /** The body's first `keepRawBytes` bytes, or all of it where it is shorter; null where none were to be kept. */
  raw: Buffer | null = null
  /** How much of the body was read. */
  bodyBytes = 0
  /** It is the text of a picture that is malformed, not the JSON around it. */
  isOfPicture = false

  /** `message` quotes nothing from the body. */
  constructor(kind: LiftErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

export function malformed(message: string): LiftError {
  return new LiftError('malformed', message)
}

export function badPicture(message: string): LiftError {
  return Object.assign(malformed(message), { isOfPicture: true })
}
