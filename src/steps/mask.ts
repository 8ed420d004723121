import { invalid } from '../domain/errors.ts'
import { findModel } from '../domain/models.ts'
import type { Blobs, StoredFile } from '../domain/ports.ts'
import type { Input, JobRequest } from '../domain/request.ts'
import { asPng, factsOf, type MaskFacts } from '../files/mask.ts'

/** The provider's page: "at most 4 MB". Which of the two megabytes it means is not said, so the smaller one. */
const maxMaskBytes = 4_000_000
const maxMegapixels = 50

const rule = 'mask must be a PNG with transparent places where the picture may change, of the same pixel size as the first image'

/**
 * Makes what brings a mask into the form that the provider takes: a PNG with alpha, of the first image's size, of 4 MB at most. What
 * can be made right without changing what is masked is made right. A model that the catalogue does not know gets what was sent.
 */
export function makeMaskPreparation({ blobs }: { blobs: Blobs }) {
  async function prepare(jobId: string, mask: StoredFile, image: StoredFile): Promise<StoredFile> {
    const facts = await factsOf(blobs.pathOf(jobId, mask.name))
    if (facts === null) throw invalid('mask', `mask cannot be read, or has more than ${maxMegapixels} megapixels`)
    if (!facts.hasAlpha) throw invalid('mask', `${rule}; this one has no alpha channel`)
    await checkSize(facts, jobId, image)
    if (facts.isPng && !facts.isTurned && mask.sizeBytes <= maxMaskBytes) return mask
    const bytes = await asPng(blobs.pathOf(jobId, mask.name), maxMaskBytes)
    if (bytes === null)
      throw invalid('mask', `mask cannot be brought below 4 MB as a PNG: save it with fewer half-transparent places`)
    const sink = blobs.create(jobId, 'in')
    try {
      await sink.write(bytes)
    } catch (error) {
      await sink.discard()
      throw error
    }
    const made = await sink.finish()
    await blobs.remove(jobId, mask.name)
    return made
  }

  /** A picture that is turned has two sizes, and which of them counts over there is not documented: either is taken. */
  async function checkSize({ shown }: MaskFacts, jobId: string, image: StoredFile): Promise<void> {
    const isFitting = (size: Pick<StoredFile, 'width' | 'height'>): boolean =>
      size.width === shown.width && size.height === shown.height
    // What cannot be measured is not refused for its size.
    if (image.width === null || isFitting(image)) return
    const imageFacts = await factsOf(blobs.pathOf(jobId, image.name))
    if (imageFacts !== null && isFitting(imageFacts.stored)) return
    throw invalid('mask', `${rule}: ${image.width}x${image.height}; this one has ${shown.width}x${shown.height}`)
  }

  return async (jobId: string, request: JobRequest): Promise<JobRequest> => {
    const { edit } = request
    const mask = edit.inputs.find(input => input.role === 'mask')?.file ?? null
    const image = edit.inputs.find(input => input.role === 'image')?.file ?? null
    if (mask === null || image === null || findModel(edit.model)?.takesMask !== true) return request
    const made = await prepare(jobId, mask, image)
    const inputs = edit.inputs.map((input): Input => (input.file === mask ? { ...input, file: made } : input))
    return { ...request, edit: { ...edit, inputs } }
  }
}
