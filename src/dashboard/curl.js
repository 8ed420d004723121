// @ts-check
import { base } from './api.js'
import { fieldText } from './form.js'
import { picturesSent } from './pictures.js'

/** @typedef {import('./types.d.ts').Job} Job */

/** A text as a shell takes it, whatever is in it. @param {string} text */
export const quoted = text => `'${text.replaceAll("'", String.raw`'\''`)}'`

/**
 * The parameters as a form has them.
 * @param {Readonly<Record<string, unknown>>} params
 */
const textFields = params => Object.entries(params).map(([name, value]) => [name, fieldText(value)])

/**
 * A line for the shell that makes the same job again. Pictures that were sent as files are fetched first: their links need no key.
 * @param {Job} job
 * @param {boolean} withKey whether a key is needed: it stands there as $KEY.
 */
export function curlLine(job, withKey) {
  const pictures = picturesSent(job).map(({ given, path, signed, name }, index) => ({
    path,
    signed,
    field: given.role,
    file: `input-${index + 1}.${name.replace(/.*\./, '')}`,
    url: given.url,
  }))
  const fetches = pictures
    .filter(one => one.signed)
    .map(({ path, file }) => `curl -sf ${quoted(new URL(path, base).href)} -o ${file}`)
  const fields = [
    ['prompt', job.prompt],
    ['model', job.model],
    ...(job.n > 1 ? [['n', String(job.n)]] : []),
    ...textFields(job.params),
    ...(Object.keys(job.metadata).length === 0 ? [] : [['metadata', JSON.stringify(job.metadata)]]),
  ]
  const submit = [
    'curl -s',
    quoted(new URL('jobs', base).href),
    ...(withKey ? ['-H "authorization: Bearer $KEY"'] : []),
    // Not -F, which would read a prompt that begins with @ from a file.
    ...fields.map(([name, value]) => `--form-string ${quoted(`${name}=${value}`)}`),
    ...pictures.map(({ field, signed, file, url }) =>
      signed ? `-F ${field}=@${file}` : `--form-string ${quoted(`${field}=${url}`)}`,
    ),
  ].join(' ')
  return [...fetches, submit].join(' && ')
}
