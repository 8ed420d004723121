// @ts-check

import { Fault, useFault } from './fields.js'
import { compose, faults, form } from './form.js'
import { bytes } from './format.js'
import { html } from './htm-preact.js'
import { Icon } from './icons.js'
import { isPictureUrl, pick, pickUrl } from './picked.js'
import { useValue } from './state.js'
import { t } from './words.js'

/** @typedef {import('./types.d.ts').Picked} Picked */

/** @param {readonly File[]} files */
export function addFiles(files) {
  if (files.length > 0) compose({ pictures: [...form.get().pictures, ...files.map(pick)] })
}

/** The first of them says where to edit. @param {readonly File[]} files */
export function setMask([file]) {
  if (file !== undefined) compose({ mask: pick(file) })
}

/** @param {{ picked: Picked, onRemove: () => void }} props */
function Chosen({ picked, onRemove }) {
  const name = 'file' in picked ? picked.file.name : picked.url
  return html`<li class="chosen">
    ${
      'file' in picked
        ? html`<img src=${picked.preview} alt=${t('chosen_alt', { name })} width="64" height="64" />`
        : html`<span class="no-preview"><${Icon} name="picture" /></span>`
    }
    <span class="chosen-name" title=${name}>${name}<small>${'file' in picked ? bytes(picked.file.size) : t('by_url')}</small></span>
    <button type="button" class="quiet icon" aria-label=${t('remove', { name })} onClick=${onRemove}><${Icon} name="close" /></button>
  </li>`
}

/** Makes a picture of the URL that is typed, if it is one. */
export function addTyped() {
  const { pictures, pictureUrl } = form.get()
  if (isPictureUrl(pictureUrl)) compose({ pictures: [...pictures, pickUrl(pictureUrl.trim())], pictureUrl: '' })
}

function ByUrl() {
  const { pictureUrl } = useValue(form)
  const add = () => {
    const { image: _, ...others } = faults.get()
    faults.set(isPictureUrl(pictureUrl) ? others : { ...others, image: t('fault_picture_url') })
    addTyped()
  }
  return html`<div class="by-url">
    <input
      type="url"
      aria-label=${t('picture_url')}
      placeholder=${t('picture_url_hint')}
      value=${pictureUrl}
      onInput=${(/** @type {{ target: HTMLInputElement }} */ { target }) => compose({ pictureUrl: target.value })}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
        if (event.key !== 'Enter') return
        // It adds the picture, and does not send the form.
        event.preventDefault()
        add()
      }}
    />
    <button type="button" onClick=${add} disabled=${pictureUrl.trim() === ''}>${t('add')}</button>
  </div>`
}

/** Drop, paste or choose pictures, or name them by URL. */
export function PictureField() {
  const { pictures } = useValue(form)
  const { fault, control } = useFault('image')
  const remove = (/** @type {Picked} */ picked) => compose({ pictures: pictures.filter(one => one !== picked) })
  return html`<div class="field" data-field="image">
    <label class="dropzone" data-filled=${pictures.length > 0}>
      <input
        ...${control}
        type="file"
        accept="image/png,image/jpeg,image/webp"
        multiple
        class="visually-hidden"
        onChange=${(/** @type {{ target: HTMLInputElement }} */ { target }) => {
          addFiles([...(target.files ?? [])])
          // So that the same file can be chosen again after it was removed.
          target.value = ''
        }}
      />
      <${Icon} name="picture" />
      <span><strong>${pictures.length === 0 ? t('drop') : t('drop_more')}</strong><small>${t('drop_hint')}</small></span>
    </label>
    ${
      pictures.length > 0 &&
      html`<ul class="chosen-list">
      ${pictures.map(one => html`<${Chosen} key=${one.id} picked=${one} onRemove=${() => remove(one)} />`)}
    </ul>`
    }
    <${ByUrl} />
    <${Fault} name="image" fault=${fault} />
  </div>`
}

/** One picture that says where to edit. */
export function MaskField() {
  const { mask } = useValue(form)
  const { fault, control } = useFault('mask')
  return html`<div class="field" data-field="mask">
    <label for=${control.id}>${t('mask')}<span class="hint">${t('mask_hint')}</span></label>
    ${
      mask === null
        ? html`<input
          ...${control}
          type="file"
          accept="image/png,image/jpeg,image/webp"
          onChange=${(/** @type {{ target: HTMLInputElement }} */ { target }) => setMask([...(target.files ?? [])])}
        />`
        : html`<ul class="chosen-list"><${Chosen} picked=${mask} onRemove=${() => compose({ mask: null })} /></ul>`
    }
    <${Fault} name="mask" fault=${fault} />
  </div>`
}
