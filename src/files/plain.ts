import type { Lifted } from './lift.ts'

/** Words without which nothing of a result is lifted, and the escape in which they might hide. */
const signsOfPictures = /b64_json|data:|\\/i
/** More brackets than this may be nested too deeply: the scanner counts them. */
const maxBrackets = 32

/**
 * What `liftJson` makes of a whole small body that certainly holds no picture: its JSON, and no file. Most callbacks are of this
 * kind, and the scanner costs more than all the rest of taking one. null: it is for `liftJson` to say.
 */
export function parsePlain(bytes: Buffer): Lifted | null {
  const text = bytes.toString('utf8')
  if (signsOfPictures.test(text) || (text.match(/[[{]/g)?.length ?? 0) > maxBrackets) return null
  try {
    const value: unknown = JSON.parse(text)
    return { value, bodyBytes: bytes.length, file: () => undefined, files: [] }
  } catch {
    return null
  }
}
