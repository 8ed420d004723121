import { invalid } from './errors.ts'
import { type Fields, isLonger, text } from './fields.ts'

/*
 * A client's own `trace_id`: it finds its task again by it, here and at the provider. It may be the same for many calls, so it never
 * tells by itself whose a task is.
 */

export const maxTraceIdLength = 500

type Params = Readonly<Record<string, unknown>>

/** The parameter, where a client gave one. @throws ServiceError */
export function checkTrace(fields: Fields, n: number, warnings: string[]): Params {
  const traceId = text(fields, 'trace_id')
  if (traceId === null || traceId === '') return {}
  if (isLonger(traceId, maxTraceIdLength)) throw invalid('trace_id', `trace_id must have ${maxTraceIdLength} characters at most`)
  if (n > 1) warnings.push('trace_id does not go to the provider where n is over 1; here the job is found by it')
  return { trace_id: traceId }
}

/** The one among a request's parameters; null where there is none. */
export function clientTraceOf({ params }: { params: Params }): string | null {
  const traceId = params['trace_id']
  return typeof traceId === 'string' ? traceId : null
}

/** The one that goes to the provider: not where several pictures would share it. */
export function sentClientTrace(edit: { params: Params; n: number }): string | null {
  return edit.n === 1 ? clientTraceOf(edit) : null
}

/** The other parameters. */
export function withoutTrace({ params }: { params: Params }): Params {
  const { trace_id: _, ...others } = params
  return others
}
