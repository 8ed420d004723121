import { encodingFor } from './models.ts'
import type { EditRequest } from './request.ts'

/** How large a body the provider's web server takes; it is only known to be somewhere between. */
const providerTakes = '28 to 30 MB'
const safeBytes = 28 * 2 ** 20
/** Of a form's part, beside what it holds. */
const partBytes = 200

function megabytes(sizeBytes: number): string {
  return (sizeBytes / 2 ** 20).toFixed(1)
}

/** How large the body of one of a request's submits will be, to within some hundred bytes. */
function submitBytes({ model, prompt, inputs, params }: EditRequest): number {
  const { asFile } = encodingFor(model, inputs)
  const pictures = inputs.map((input, index) =>
    asFile[index] === true ? (input.file?.sizeBytes ?? 0) : (input.url ?? '').length,
  )
  const texts = Buffer.byteLength(prompt) + Buffer.byteLength(JSON.stringify(params))
  return pictures.reduce((sum, sizeBytes) => sum + sizeBytes + partBytes, texts)
}

/** A warning where a request may be more than the provider takes; null where it is not. */
export function sizeWarning(edit: EditRequest): string | null {
  const sizeBytes = submitBytes(edit)
  if (sizeBytes <= safeBytes) return null
  return `the pictures make ${megabytes(sizeBytes)} MB, and the provider takes ${providerTakes} in one request: it may refuse them (413); ${toDo}`
}

const toDo = 'send fewer or smaller pictures, or their URLs where the model takes URLs'

/** What a 413 of the provider's means for a client. */
export function tooLargeWords(sentBytes: number): string {
  return `the request had ${megabytes(sentBytes)} MB, and the provider takes ${providerTakes}: ${toDo}`
}
