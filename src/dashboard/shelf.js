// @ts-check
import { ask } from './api.js'
import { route } from './route.js'
import { makeState } from './state.js'

/** @typedef {import('./types.d.ts').Job} Job */
/** @typedef {import('./types.d.ts').Page} Page */
/** @typedef {import('./types.d.ts').Trouble} Trouble */
/** @typedef {{ status: string, model: string }} Filter empty: all. */

/**
 * `shown`: ids, newest first, of what the gallery shows. `jobs`: all that is known, with those that are open beside it.
 * @typedef {{
 *   filter: Filter, shown: readonly string[], jobs: ReadonlyMap<string, Job>, cursor: string | null,
 *   loading: boolean, loaded: boolean, trouble: Trouble | null,
 * }} Shelf
 */

const pageSize = 24
/** So that a long day does not make the page slow: what is older is found by filters. */
const mostShown = 312
const largestPage = 100

/** @type {Shelf} */
const empty = {
  filter: { status: '', model: '' },
  shown: [],
  jobs: new Map(),
  cursor: null,
  loading: false,
  loaded: false,
  trouble: null,
}
export const shelf = makeState(empty)

/** @param {Partial<Shelf>} changes */
const change = changes => shelf.set({ ...shelf.get(), ...changes })

/** @param {Job} job */
export const isFinal = job => job.status !== 'queued' && job.status !== 'processing'

/** @param {Job} job */
const weight = job => (isFinal(job) ? 100 : 0) + (job.result?.data.length ?? 0) + (job.late_result?.data.length ?? 0)

/**
 * Answers and events may overtake each other: what has ended, or has more pictures, is the newer one.
 * @param {Job | undefined} before
 * @param {Job} next
 */
const fresher = (before, next) => (before !== undefined && weight(before) > weight(next) ? before : next)

/**
 * @param {ReadonlyMap<string, Job>} known
 * @param {readonly Job[]} more
 */
function withJobs(known, more) {
  const jobs = new Map(known)
  for (const job of more) jobs.set(job.id, fresher(jobs.get(job.id), job))
  return jobs
}

/**
 * @param {Job} job
 * @param {Filter} filter
 */
const fits = (job, { status, model }) => (status === '' || job.status === status) && (model === '' || job.model === model)

/** Ids begin with the time of creation. @param {Iterable<string>} ids */
const newestFirst = ids => [...new Set(ids)].toSorted((a, b) => (a < b ? 1 : -1))

/**
 * @param {number} limit
 * @param {string | null} cursor
 */
function pagePath(limit, cursor) {
  const { status, model } = shelf.get().filter
  const query = new URLSearchParams({ limit: String(limit) })
  if (status !== '') query.set('status', status)
  if (model !== '') query.set('model', model)
  if (cursor !== null) query.set('cursor', cursor)
  return `jobs?${query}`
}

/** Each loading makes those before it void: a slow answer to an old question must not be shown. */
let loadings = 0

/** Shows the newest jobs that fit. */
export async function load() {
  const mine = (loadings += 1)
  change({ loading: true })
  /** @type {import('./types.d.ts').Answer<Page>} */
  const answer = await ask(pagePath(pageSize, null))
  if (mine !== loadings) return
  if (!answer.ok) return change({ loading: false, loaded: true, trouble: answer.trouble })
  const { data, next_cursor } = answer.body
  change({
    shown: data.map(job => job.id),
    jobs: withJobs(shelf.get().jobs, data),
    cursor: next_cursor,
    loading: false,
    loaded: true,
    trouble: null,
  })
}

/** Shows older ones too. */
export async function loadMore() {
  const { cursor, loading } = shelf.get()
  if (cursor === null || loading) return
  const mine = (loadings += 1)
  change({ loading: true })
  /** @type {import('./types.d.ts').Answer<Page>} */
  const answer = await ask(pagePath(pageSize, cursor))
  if (mine !== loadings) return
  if (!answer.ok) return change({ loading: false, trouble: answer.trouble })
  const { data, next_cursor } = answer.body
  const { shown, jobs } = shelf.get()
  change({
    shown: newestFirst([...shown, ...data.map(job => job.id)]),
    jobs: withJobs(jobs, data),
    cursor: next_cursor,
    loading: false,
    trouble: null,
  })
}

/** @param {Shelf} state */
export const isFull = state => state.shown.length >= mostShown

/** @param {Filter} filter */
export function show(filter) {
  const before = shelf.get()
  if (before.loaded && filter.status === before.filter.status && filter.model === before.filter.model) return
  change({ filter, shown: [], cursor: null, loaded: false, trouble: null })
  void load()
}

/** @param {string} id */
function isOpen(id) {
  const where = route.get()
  return where.name === 'job' && where.id === id
}

/**
 * A job as it is now, whoever told of it. What is neither shown nor open is not kept: there may be many.
 * @param {Job} job
 */
export function take(job) {
  const { filter, shown, jobs, cursor } = shelf.get()
  const known = withJobs(jobs, [job])
  const oldest = shown.at(-1)
  const isShown = shown.includes(job.id)
  // One that is older than all that is shown comes with its page.
  const isNear = isShown || cursor === null || oldest === undefined || job.id > oldest
  const belongs = fits(known.get(job.id) ?? job, filter) && isNear
  const others = shown.filter(id => id !== job.id)
  const wanted = belongs ? newestFirst([...others, job.id]) : others
  for (const id of [job.id, ...wanted.slice(mostShown)])
    if (!wanted.slice(0, mostShown).includes(id) && !isOpen(id)) known.delete(id)
  change({ jobs: known, shown: wanted.slice(0, mostShown) })
}

/** @param {string} id of a job that is not there any more. */
export function forget(id) {
  const { shown, jobs } = shelf.get()
  const left = new Map(jobs)
  left.delete(id)
  change({ shown: shown.filter(one => one !== id), jobs: left })
}

/** Looks again at what is shown: no event tells of a job that was deleted, and the links to pictures are renewed once a day. */
export async function lookAgain() {
  const before = shelf.get()
  if (before.loading || !before.loaded) return
  if (before.trouble !== null) return load()
  const mine = loadings
  /** @type {import('./types.d.ts').Answer<Page>} */
  const answer = await ask(pagePath(Math.min(largestPage, Math.max(pageSize, before.shown.length)), null))
  if (!answer.ok || mine !== loadings) return
  const { data, has_more } = answer.body
  const there = new Set(data.map(job => job.id))
  const oldest = data.at(-1)?.id ?? ''
  const gone = before.shown.filter(id => (!has_more || id >= oldest) && !there.has(id))
  for (const id of gone) forget(id)
  for (const job of data) take(job)
}
