// @ts-check
import { askPicture } from './api.js'
import { html, useEffect, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { key } from './key.js'
import { useValue } from './state.js'
import { t } from './words.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./types.d.ts').Image} Image */
/**
 * A picture at our own address. `signed`: it opens without a key. `elsewhere`: where the provider has it, of one that is not kept here yet.
 * @typedef {{ path: string, signed: boolean, alt: string, label: string, width: number | null, height: number | null, name: string, elsewhere: string | null }} Shown
 */

/**
 * The path at which we serve a picture, with its signature, whatever address the service thinks that it has; null: it is not ours.
 * @param {string} url
 * @param {string} jobId
 */
function signedPath(url, jobId) {
  const { pathname, search, searchParams } = URL.parse(url) ?? {}
  const at = pathname?.lastIndexOf(`/jobs/${jobId}/`) ?? -1
  return pathname === undefined || at < 0 || !searchParams?.has('sig') ? null : `${pathname.slice(at + 1)}${search}`
}

/** @param {string} text */
const short = text => (text.length > 120 ? `${text.slice(0, 119)}…` : text)

/** @param {string | null} type */
const ending = type => /^image\/(jpeg|webp)$/.exec(type ?? '')?.[1] ?? 'png'

/**
 * What was sent in, the mask after the pictures that were to be edited, `given` as the service tells of it.
 * One that was given by its URL is fetched and kept by the service, and shown from there.
 * @param {Job} job
 * @returns {(Shown & { given: import('./types.d.ts').Input })[]}
 */
export function picturesSent(job) {
  const isSingle = job.inputs.filter(input => input.role === 'image').length === 1
  const prompt = short(job.prompt)
  return job.inputs.map((given, index) => {
    const path = signedPath(given.url, job.id)
    const isMask = given.role === 'mask'
    const name = isMask ? 'mask' : `before-${index + 1}`
    return {
      given,
      path: path ?? `jobs/${job.id}/inputs/${index}`,
      signed: path !== null,
      alt: isMask ? t('alt_mask', { prompt }) : t('alt_before', { n: index + 1, prompt }),
      label: isMask ? t('mask') : isSingle ? t('before') : t('before_n', { n: index + 1 }),
      width: null,
      height: null,
      name: `${job.id}-${name}.${ending(given.content_type)}`,
      elsewhere: null,
    }
  })
}

/** What was to be edited. @param {Job} job @returns {Shown[]} */
export const picturesBefore = job => picturesSent(job).filter(({ given }) => given.role === 'image')

/** @param {Job} job @returns {Shown | null} */
export const maskOf = job => picturesSent(job).find(({ given }) => given.role === 'mask') ?? null

/**
 * What came back, what came late included.
 * @param {Job} job
 * @returns {Shown[]}
 */
export function picturesAfter(job) {
  /** @param {Image[]} images @param {'alt_after' | 'alt_late'} alt @param {'after_n' | 'late_n'} label */
  const shown = (images, alt, label) =>
    images.map(({ url, provider_url, stored, content_type, width, height }, index) => {
      const path = signedPath(url, job.id)
      return {
        path: path ?? `jobs/${job.id}/images/${index}`,
        signed: path !== null,
        alt: t(alt, { n: index + 1, prompt: short(job.prompt) }),
        label: images.length === 1 && label === 'after_n' ? t('after') : t(label, { n: index + 1 }),
        width,
        height,
        name: `${job.id}-after-${index + 1}.${ending(content_type)}`,
        elsewhere: stored ? null : provider_url,
      }
    })
  return [...shown(job.result?.data ?? [], 'alt_after', 'after_n'), ...shown(job.late_result?.data ?? [], 'alt_late', 'late_n')]
}

/** @param {string} path @param {number} width */
const narrowed = (path, width) => `${path}${path.includes('?') ? '&' : '?'}width=${width}`

/** @param {string} path */
const srcset = path => [320, 640, 1280].map(width => `${narrowed(path, width)} ${width}w`).join(', ')

/**
 * The URL under which the page can show, open or download a picture; null while it is being fetched.
 * @param {Shown} picture
 * @param {number | null} width null: as it is.
 */
export function useSource(picture, width) {
  const known = useValue(key)
  const path = width === null ? picture.path : narrowed(picture.path, width)
  const isOpen = picture.signed || known === null
  const [fetched, setFetched] = useState(/** @type {string | null} */ (null))
  useEffect(() => {
    if (isOpen) return undefined
    /** @type {string | null} */
    let mine = null
    let wanted = true
    const release = () => {
      if (mine !== null) URL.revokeObjectURL(mine)
    }
    void askPicture(path).then(blob => {
      mine = blob === null ? null : URL.createObjectURL(blob)
      if (wanted) setFetched(mine)
      else release()
    })
    return () => {
      wanted = false
      setFetched(null)
      release()
    }
  }, [path, isOpen])
  return isOpen ? path : fetched
}

/** How soon a picture is asked for again that is not kept here yet. */
const lookAgainMs = 10_000

/**
 * @param {{ picture: Shown, sizes: string, eager?: boolean, decorative?: boolean }} props `sizes`: how wide it is shown, as in HTML.
 */
export function Picture({ picture, sizes, eager, decorative }) {
  const source = useSource(picture, 640)
  const [broken, setBroken] = useState(false)
  const { elsewhere } = picture
  useEffect(() => setBroken(false), [source, elsewhere])
  useEffect(() => {
    if (!broken || elsewhere === null) return undefined
    const timer = setTimeout(() => setBroken(false), lookAgainMs)
    return () => clearTimeout(timer)
  }, [broken, elsewhere])
  if (broken)
    return html`<span class="picture missing" role="img" aria-label=${t(elsewhere === null ? 'picture_missing' : 'picture_to_come')}><${Icon} name="picture" /></span>`
  return html`<img
    class="picture"
    src=${source}
    srcset=${source?.startsWith('blob:') === false ? srcset(picture.path) : undefined}
    sizes=${sizes}
    width=${picture.width}
    height=${picture.height}
    alt=${decorative === true ? '' : picture.alt}
    loading=${eager === true ? 'eager' : 'lazy'}
    decoding="async"
    draggable=${false}
    onError=${() => setBroken(source !== null)}
  />`
}
