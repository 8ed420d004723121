import type { Signer } from '../domain/signer.ts'
import type { Links } from '../domain/view.ts'

const imagePath = (jobId: string, position: number): string => `/jobs/${jobId}/images/${position}`
const inputPath = (jobId: string, position: number): string => `/jobs/${jobId}/inputs/${position}`

/** Makes the URLs that clients are given. `base` is where the world reaches us; never what a request's Host says. */
export function makeLinks(base: () => string, signer: Signer, now: () => number): Links {
  const signed = (path: string): string => `${base()}${path}?${signer.signPath(path, now())}`
  return {
    job: jobId => `${base()}/jobs/${jobId}`,
    image: (jobId, position) => signed(imagePath(jobId, position)),
    input: (jobId, position) => signed(inputPath(jobId, position)),
  }
}
