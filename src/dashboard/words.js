// @ts-check
import { en } from './i18n/en.js'
import { zh } from './i18n/zh.js'
import { makeState } from './state.js'
import { keep, recall } from './storage.js'

/** @typedef {keyof typeof en} Word */
/** @typedef {'en' | 'zh'} Language */

/** @type {Record<Language, Record<Word, string>>} */
const dictionaries = { en, zh }

/** @returns {Language} */
function preferred() {
  const chosen = recall('localStorage', 'language')
  if (chosen === 'en' || chosen === 'zh') return chosen
  const first = navigator.languages.find(language => /^(en|zh)\b/i.test(language)) ?? 'en'
  return first.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

/** @type {import('./state.js').State<Language>} */
export const language = makeState(preferred())

const tags = { en: 'en', zh: 'zh-CN' }
/** The language as the web names it. */
export const languageTag = () => tags[language.get()]

function apply() {
  document.documentElement.lang = languageTag()
}
apply()
language.on(apply)

/** @param {Language} next */
export function chooseLanguage(next) {
  keep('localStorage', 'language', next)
  language.set(next)
}

/**
 * @param {Word} word
 * @param {Record<string, string | number>} values what stands for `{name}` in it.
 */
export function t(word, values = {}) {
  return dictionaries[language.get()][word].replaceAll(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''))
}

/**
 * The form for a number: `word_one` or `word_other`.
 * @param {'pictures' | 'charges' | 'attempts'} word
 * @param {number} n
 */
export function tn(word, n) {
  const form = new Intl.PluralRules(languageTag()).select(n) === 'one' ? 'one' : 'other'
  return t(`${word}_${form}`, { n })
}
