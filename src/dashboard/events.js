// @ts-check
import { open } from './api.js'
import { key } from './key.js'
import { makeState } from './state.js'

/** @typedef {import('./types.d.ts').Job} Job */

/** @returns {'connecting' | 'live' | 'broken'} */
const atFirst = () => 'connecting'
/** Whether changes arrive by themselves. */
export const live = makeState(atFirst())

/** The service sends something every 15 s at least: after this long in silence the connection is dead. */
const silenceMs = 40_000
/** A person who looks at another tab for a moment comes back to a live page. */
const hiddenMs = 10_000
const firstWaitMs = 1_000
const longestWaitMs = 30_000

/**
 * Splits a stream into events.
 * @param {(name: string, value: string) => void} onField
 */
export function makeReader(onField) {
  let rest = ''
  return (/** @type {string} */ text) => {
    const lines = (rest + text).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, name = '', value = ''] = /^(\w*)(?:: ?(.*))?$/s.exec(line) ?? []
      onField(name, value)
    }
  }
}

/**
 * Reads one connection until it ends or falls silent.
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortController} connection
 * @param {(id: string, job: Job) => void} onJob
 */
async function read(body, connection, onJob) {
  let id = ''
  let data = ''
  const feed = makeReader((name, value) => {
    if (name === 'id') id = value
    else if (name === 'data') data += value
    else if (name === '' && data !== '') {
      onJob(id, JSON.parse(data))
      data = ''
    }
  })
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let timer = 0
  try {
    for (;;) {
      timer = setTimeout(() => connection.abort(), silenceMs)
      const { done, value } = await reader.read()
      clearTimeout(timer)
      if (done) return
      feed(decoder.decode(value, { stream: true }))
    }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Lets go of a connection when the page has been hidden for a while: over HTTP/1.1 a browser has six for all tabs of a service.
 * @param {AbortController} connection
 */
function endWhenHidden(connection) {
  let timer = 0
  const onChange = () => {
    clearTimeout(timer)
    if (document.hidden) timer = setTimeout(() => connection.abort(), hiddenMs)
  }
  document.addEventListener('visibilitychange', onChange)
  onChange()
  return () => {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', onChange)
  }
}

/** Resolves when the page is seen. */
function whenShown() {
  return new Promise(resolve => {
    const onChange = () => {
      if (document.hidden) return
      document.removeEventListener('visibilitychange', onChange)
      resolve(null)
    }
    document.addEventListener('visibilitychange', onChange)
    onChange()
  })
}

/**
 * Follows all jobs for as long as the page is seen, and connects again whenever it has to.
 * @param {{ onOpen: () => void, onJob: (job: Job) => void }} listener
 */
export async function follow({ onOpen, onJob }) {
  let lastId = ''
  let waitMs = firstWaitMs
  for (;;) {
    await whenShown()
    const connection = new AbortController()
    const stopWatching = endWhenHidden(connection)
    // Another key sees other jobs.
    const release = key.on(() => {
      lastId = ''
      connection.abort()
    })
    try {
      const headers = lastId === '' ? new Headers() : new Headers({ 'last-event-id': lastId })
      const body = await open('events', { headers, signal: connection.signal })
      if ('getReader' in body) {
        live.set('live')
        waitMs = firstWaitMs
        onOpen()
        await read(body, connection, (id, job) => {
          lastId = id
          onJob(job)
        })
      } else if (body.status === 401) await nextKey()
    } catch {
      // The connection broke, or never came to be: tried again below.
    }
    release()
    stopWatching()
    live.set('broken')
    if (document.hidden) continue
    await pause(waitMs * (0.75 + Math.random() / 2))
    waitMs = Math.min(longestWaitMs, waitMs * 2)
  }
}

/** Resolves when a key is given. */
function nextKey() {
  return new Promise(resolve => {
    const release = key.on(value => {
      if (value === null) return
      release()
      resolve(null)
    })
  })
}

/**
 * Waits, but no longer than until the machine finds a network again.
 * @param {number} ms
 */
function pause(ms) {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      resolve(null)
    }
    const timer = setTimeout(done, ms)
    addEventListener('online', done)
  })
}
