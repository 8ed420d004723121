import { invalid } from './errors.ts'
import type { Fields, FieldValue } from './fields.ts'
import { isTaken, lookIn } from './kinds.ts'
import { type Model, maxImagesPerRequest } from './models.ts'
import type { StoredFile } from './ports.ts'

/** A picture that was sent in. */
export type Input = { role: 'image' | 'mask'; url: string | null; file: StoredFile | null }

/** The field of a picture, however a list of them is written: OpenAI's SDKs send several as `image[]`, others as `image[0]`. */
export function pictureField(name: string): Input['role'] | null {
  const plain = name.replace(/\[\d{0,3}\]$/, '')
  return plain === 'image' || plain === 'mask' ? plain : null
}

export const maxUrlLength = 8_192

const dataUrlRule = 'a data: URL must be base64, such as data:image/png;base64,…'

function checkPictureUrl(field: string, value: string, isForm: boolean): string {
  if (/^data:/i.test(value)) {
    const right = isForm
      ? 'a form takes files and http(s) URLs: send the picture as a file, or the data: URL in JSON'
      : dataUrlRule
    throw invalid(field, `${field}: ${right}`)
  }
  const url = value.isWellFormed() ? URL.parse(value) : null
  const isHttp = url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
  if (!isHttp && isForm) throw invalid(field, `${field} must be a file or an http(s) URL`)
  if (!isHttp) throw invalid(field, `${field} must be an http(s) URL, a data: URL, a file, or a picture in base64`)
  if (value.length > maxUrlLength) throw invalid(field, `${field}: a URL must have ${maxUrlLength} characters at most`)
  return value
}

/** @throws ServiceError if a file isn't a PNG, JPEG or WebP by its bytes. */
export function checkPictureFile(field: string, file: StoredFile): StoredFile {
  if (isTaken(file.contentType)) return file
  throw invalid(field, `${field} must be a PNG, JPEG or WebP file${lookIn(file)}`)
}

/** What is wrong with a value that is no text. */
function whatElse(field: string, given: unknown): string {
  const isFileId = typeof given === 'object' && given !== null && 'file_id' in given
  return isFileId
    ? `${field}: file_id names a file at OpenAI, which is not here: send image_url (an http(s) or data: URL), or the file itself`
    : `${field} must be a URL, a data: URL, a picture in base64 or a file, or an array of them`
}

function pictures(fields: Fields, role: Input['role']): Input[] {
  return [...fields].flatMap(([name, values]) => (pictureField(name) === role ? picturesIn(name, values, role) : []))
}

function picturesIn(field: string, values: readonly FieldValue[], role: Input['role']): Input[] {
  return values.flatMap((value): Input[] => {
    if (value.kind === 'file') return [{ role, url: null, file: checkPictureFile(field, value.file) }]
    const given = value.kind === 'text' ? value.text : value.value
    // Null alone is a field that is not there; in a list it is a picture that its sender lost.
    if ((given === null || given === undefined) && values.length === 1) return []
    if (typeof given !== 'string') throw invalid(field, whatElse(field, given))
    return [{ role, url: checkPictureUrl(field, given, value.kind === 'text'), file: null }]
  })
}

/**
 * The pictures of a request: its images, then the mask. A mask that the model ignores is dropped, with a warning.
 * @throws ServiceError where one is no picture, or they are too few or too many for the model.
 */
export function checkInputs(fields: Fields, model: Model | undefined, warnings: string[]): Input[] {
  const images = pictures(fields, 'image')
  if (images.length === 0) throw invalid('image', 'image is required: a URL, a data: URL or a file, or several of them')
  const most = model?.maxImages ?? maxImagesPerRequest
  if (images.length > most)
    throw invalid('image', `image: ${model === undefined ? 'a request' : model.id} takes ${most} at most, got ${images.length}`)
  const masks = pictures(fields, 'mask')
  if (masks.length > 1) throw invalid('mask', 'mask must be given once')
  if (masks.length === 1 && model?.takesMask === false) {
    warnings.push(`mask was dropped: ${model.id} ignores it`)
    return images
  }
  return [...images, ...masks]
}
