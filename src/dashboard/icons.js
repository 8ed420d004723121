// @ts-check
import { html } from './htm-preact.js'

/** Lines on a canvas of 24 by 24, drawn for this page. */
const lines = {
  queued: 'M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  processing: 'M12 3a9 9 0 1 1-9 9',
  succeeded: 'M4.5 12.5l5 5 10-11',
  failed: 'M12 7.5v5.5M12 16.5v.2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  canceled: 'M5.6 5.6l12.8 12.8M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  expired: 'M7 3h10M7 21h10M8 3c0 5 4 6 4 9s-4 4-4 9M16 3c0 5-4 6-4 9s4 4 4 9',
  warning: 'M12 9v5M12 17v.2M12 3.5L2.5 20h19z',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3L19 19M19 5l-1.7 1.7M6.7 17.3L5 19',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5',
  key: 'M15 4a5 5 0 1 0 0 10 5 5 0 0 0 0-10M11.5 12.5L4 20M7 17l2.5 2.5',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  download: 'M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14',
  open: 'M13 5h6v6M19 5l-9 9M11 6H5v13h13v-6',
  back: 'M10 5l-7 7 7 7M3 12h18',
  retry: 'M20 12a8 8 0 1 1-2.5-5.8M20 3v4.5h-4.5',
  trash: 'M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10.5 11v5M13.5 11v5',
  edit: 'M4 20l1-4L16.5 4.5l3 3L8 19zM14 7l3 3',
  picture: 'M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 8.5v.2',
  stop: 'M7 7h10v10H7z',
  send: 'M4 12l16-8-5 16-3.5-6.5z',
  split: 'M12 3v18M8 8l-4 4 4 4M16 8l4 4-4 4',
  sides: 'M4 5h7v14H4zM13 5h7v14h-7z',
}

/** @typedef {keyof typeof lines} IconName */

/**
 * An icon beside a word that says the same.
 * @param {{ name: IconName }} props
 */
export function Icon({ name }) {
  return html`<svg class="icon" data-icon=${name} viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${lines[name]} /></svg>`
}

export function Mark() {
  return html`<img class="mark" src="assets/mark.svg" width="28" height="28" alt="" />`
}
