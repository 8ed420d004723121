import type { DueCopy } from '../domain/records.ts'

export const copiesAtOnce = 8
/** However slow a host is, it holds up no more than half of all. */
export const copiesPerHost = copiesAtOnce / 2
/** Those that failed before may fail again, and slowly: half of the places are kept for those that are new. */
const retriesAtOnce = copiesAtOnce / 2

type Copy = Pick<DueCopy, 'host' | 'attempts' | 'copyAt'>

/**
 * Which of the copies that are due begin now, beside those that are under way: the new ones first, then those that failed before,
 * each kind by how long it is due.
 */
export function chooseCopies<C extends Copy>(due: readonly C[], underWay: readonly Copy[]): C[] {
  const running = [...underWay]
  const isRetry = (copy: Copy): boolean => copy.attempts > 0
  const chosen: C[] = []
  const inOrder = due.toSorted((a, b) => Number(isRetry(a)) - Number(isRetry(b)) || a.copyAt - b.copyAt)
  for (const copy of inOrder) {
    if (running.length >= copiesAtOnce) break
    if (running.filter(other => other.host === copy.host).length >= copiesPerHost) continue
    if (isRetry(copy) && running.filter(isRetry).length >= retriesAtOnce) continue
    running.push(copy)
    chosen.push(copy)
  }
  return chosen
}
