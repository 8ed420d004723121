/** Words without which nothing of a result is lifted, and the escape in which they might hide. */
const signsOfPictures = /b64_json|data:|\\/i
/** More brackets than this may be nested too deeply: the scanner counts them. */
const maxBrackets = 32

/**
 * A whole small body that certainly holds no picture: its text, and what `liftJson` would make of it. Most callbacks are of this
 * kind, and the scanner costs more than all the rest of taking one. null: it is for `liftJson` to say.
 */
export function parsePlain(bytes: Buffer): { text: string; value: unknown } | null {
  const text = bytes.toString('utf8')
  if (signsOfPictures.test(text) || (text.match(/[[{]/g)?.length ?? 0) > maxBrackets) return null
  try {
    return { text, value: JSON.parse(text) }
  } catch {
    return null
  }
}
