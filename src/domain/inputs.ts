import { invalid } from './errors.ts'
import type { Fields } from './fields.ts'
import { type Model, maxImagesPerRequest } from './models.ts'
import type { StoredFile } from './ports.ts'

/** A picture that was sent in. */
export type Input = { role: 'image' | 'mask'; url: string | null; file: StoredFile | null }

/** Where pictures may stand beside `mask`: OpenAI's SDKs send several as `image[]`. */
export const imageFields = ['image', 'image[]'] as const

export const maxUrlLength = 8_192

function checkPictureUrl(field: string, value: string): string {
  if (/^data:/i.test(value))
    throw invalid(field, `${field}: a data: URL must be base64, such as data:image/png;base64,… (in a form, send a file)`)
  if (value.length > maxUrlLength) throw invalid(field, `${field}: a URL must have ${maxUrlLength} characters at most`)
  const url = value.isWellFormed() ? URL.parse(value) : null
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid(field, `${field} must be an http(s) URL, a data: URL or a file`)
  return value
}

const pictureTypes = new Set(['image/png', 'image/jpeg', 'image/webp'])

/** @throws ServiceError where a file is no PNG, JPEG or WebP by its bytes. */
export function checkPictureFile(field: string, file: StoredFile): StoredFile {
  if (!pictureTypes.has(file.contentType)) throw invalid(field, `${field} must be a PNG, JPEG or WebP file`)
  return file
}

function pictures(fields: Fields, field: string, role: Input['role']): Input[] {
  const values = fields.get(field) ?? []
  return values.flatMap((value): Input[] => {
    if (value.kind === 'file') return [{ role, url: null, file: checkPictureFile(field, value.file) }]
    const given = value.kind === 'text' ? value.text : value.value
    // Null alone is a field that is not there; in a list it is a picture that its sender lost.
    if ((given === null || given === undefined) && values.length === 1) return []
    if (typeof given !== 'string') throw invalid(field, `${field} must be a URL, a data: URL or a file, or an array of them`)
    return [{ role, url: checkPictureUrl(field, given), file: null }]
  })
}

/**
 * The pictures of a request: its images, then the mask. A mask that the model ignores is dropped, with a warning.
 * @throws ServiceError where one is no picture, or they are too few or too many for the model.
 */
export function checkInputs(fields: Fields, model: Model | undefined, warnings: string[]): Input[] {
  const images = imageFields.flatMap(field => pictures(fields, field, 'image'))
  if (images.length === 0) throw invalid('image', 'image is required: a URL, a data: URL or a file, or several of them')
  const most = model?.maxImages ?? maxImagesPerRequest
  if (images.length > most)
    throw invalid('image', `image: ${model === undefined ? 'a request' : model.id} takes ${most} at most, got ${images.length}`)
  const masks = pictures(fields, 'mask', 'mask')
  if (masks.length > 1) throw invalid('mask', 'mask must be given once')
  if (masks.length === 1 && model?.takesMask === false) {
    warnings.push(`mask was dropped: ${model.id} ignores it`)
    return images
  }
  return [...images, ...masks]
}
