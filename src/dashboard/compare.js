// @ts-check
import { html, useRef, useState } from './htm-preact.js'
import { Icon } from './icons.js'
import { Picture, useSource } from './pictures.js'
import { t } from './words.js'

/** @typedef {import('./pictures.js').Shown} Shown */
/** @typedef {import('./htm-preact.js').Node} Node */

const stageSizes = '(min-width: 1100px) 900px, 96vw'
const usualRatio = 4 / 3

/**
 * Width by height of the stage: that of the picture that came back, or else of the one that was sent, when it has been loaded.
 * @param {Shown | undefined} after
 */
function useRatio(after) {
  const [loaded, setLoaded] = useState(usualRatio)
  const known = after?.width && after.height ? after.width / after.height : null
  // Load does not bubble, but is seen on its way down.
  const onLoadCapture = (/** @type {{ target: EventTarget }} */ { target }) => {
    if (known === null && target instanceof HTMLImageElement && target.naturalHeight > 0)
      setLoaded(target.naturalWidth / target.naturalHeight)
  }
  const ratio = known ?? loaded
  return { style: { '--ratio': String(ratio), '--tallest': `${Math.round(ratio * 100)}` }, onLoadCapture }
}

/** @param {{ before: Shown, after: Shown }} props */
function Slider({ before, after }) {
  const stage = useRef(/** @type {HTMLElement | null} */ (null))
  const [share, setShare] = useState(50)
  const ratio = useRatio(after)
  const move = (/** @type {{ target: HTMLInputElement }} */ { target }) => setShare(Number(target.value))
  return html`<div class="stage slider" ref=${stage} ...${ratio} style=${{ ...ratio.style, '--share': `${share}%` }}>
    <div class="layer"><${Picture} picture=${before} sizes=${stageSizes} eager /></div>
    <div class="layer over"><${Picture} picture=${after} sizes=${stageSizes} eager /></div>
    <span class="corner start" aria-hidden="true">${t('before')}</span>
    <span class="corner end" aria-hidden="true">${t('after')}</span>
    <input
      type="range"
      min="0"
      max="100"
      step="1"
      value=${share}
      aria-label=${t('compare')}
      aria-valuetext=${t('compare_value', { percent: share })}
      onInput=${move}
    />
  </div>`
}

/** @param {{ picture: Shown, title?: string, children?: Node }} props */
function Single({ picture, title, children }) {
  return html`<figure class="single">
    <div class="stage" ...${useRatio(picture)}><div class="layer"><${Picture} picture=${picture} sizes=${stageSizes} eager /></div>${children}</div>
    ${title !== undefined && html`<figcaption>${title}</figcaption>`}
  </figure>`
}

/** @param {{ label: string, pictures: readonly Shown[], chosen: number, onChoose: (index: number) => void }} props */
function Strip({ label, pictures, chosen, onChoose }) {
  if (pictures.length < 2) return null
  return html`<div class="strip" role="group" aria-label=${label}>
    <span class="strip-label">${label}</span>
    ${pictures.map(
      (
        picture,
        index,
      ) => html`<button type="button" class="thumb" key=${picture.path} aria-pressed=${index === chosen} aria-label=${picture.label} onClick=${() => onChoose(index)}>
        <${Picture} picture=${picture} sizes="64px" decorative />
      </button>`,
    )}
  </div>`
}

/** @param {{ picture: Shown }} props */
function Links({ picture }) {
  const source = useSource(picture, null)
  if (source === null) return null
  return html`<span class="links">
    <span class="links-label">${picture.label}</span>
    <a class="button small" href=${source} target="_blank" rel="noreferrer"><${Icon} name="open" />${t('open')}<span class="visually-hidden"> ${picture.label}</span></a>
    ${picture.elsewhere !== null && html`<a class="button small" href=${picture.elsewhere} target="_blank" rel="noreferrer"><${Icon} name="open" />${t('at_provider')}<span class="visually-hidden"> ${picture.label}</span></a>`}
    <a class="button small" href=${source} download=${picture.name}><${Icon} name="download" />${t('download')}<span class="visually-hidden"> ${picture.label}</span></a>
  </span>`
}

/** @param {{ mode: string, onChoose: (mode: 'slider' | 'sides') => void }} props */
function Modes({ mode, onChoose }) {
  return html`<div class="modes" role="group" aria-label=${t('view')}>
    ${
      /** @type {const} */ (['slider', 'sides']).map(
        one => html`<button type="button" class="small" key=${one} aria-pressed=${mode === one} onClick=${() => onChoose(one)}>
        <${Icon} name=${one === 'slider' ? 'split' : 'sides'} />${t(one)}
      </button>`,
      )
    }
  </div>`
}

/**
 * A job's pictures: before and after, one over the other or side by side.
 * @param {{ before: readonly Shown[], after: readonly Shown[], mask: Shown | null, children?: Node }} props `children`: what stands over a picture with no result.
 */
export function Compare({ before, after, mask, children }) {
  const [mode, setMode] = useState(/** @returns {'slider' | 'sides'} */ () => 'slider')
  const [left, setLeft] = useState(0)
  const [right, setRight] = useState(0)
  const shownBefore = before[left] ?? before[0]
  const shownAfter = after[right] ?? after[0]
  const both = shownBefore !== undefined && shownAfter !== undefined
  return html`<section class="compare" aria-label=${t('pictures')}>
    ${both && mode === 'slider' && html`<${Slider} before=${shownBefore} after=${shownAfter} key=${`${shownBefore.path} ${shownAfter.path}`} />`}
    ${
      both &&
      mode === 'sides' &&
      html`<div class="sides">
      <${Single} picture=${shownBefore} title=${t('before')} key=${shownBefore.path} /><${Single} picture=${shownAfter} title=${t('after')} key=${shownAfter.path} />
    </div>`
    }
    ${!both && shownBefore !== undefined && html`<${Single} picture=${shownBefore} key=${shownBefore.path}>${children}<//>`}
    <div class="compare-bar">
      ${both && html`<${Modes} mode=${mode} onChoose=${setMode} />`}
      <${Strip} label=${t('before')} pictures=${before} chosen=${left} onChoose=${setLeft} />
      <${Strip} label=${t('after')} pictures=${after} chosen=${right} onChoose=${setRight} />
    </div>
    <div class="compare-links">
      ${shownAfter !== undefined && html`<${Links} picture=${shownAfter} key=${shownAfter.path} />`}
      ${shownBefore !== undefined && html`<${Links} picture=${shownBefore} key=${shownBefore.path} />`}
      ${mask !== null && html`<span class="strip"><span class="thumb mask"><${Picture} picture=${mask} sizes="64px" /></span><${Links} picture=${mask} /></span>`}
    </div>
  </section>`
}
