import type { FastifyInstance, FastifyRequest } from 'fastify'
import { reportOf } from '../domain/cost.ts'
import { invalid, ServiceError } from '../domain/errors.ts'
import { isJobId } from '../domain/ids.ts'
import { isFinal } from '../domain/job.ts'
import { defaultModel, findModel, models, sizeAliases, sizePresets } from '../domain/models.ts'
import type { JobRecord } from '../domain/records.ts'
import type { JobStore } from '../domain/store.ts'
import { clientTraceOf } from '../domain/trace.ts'
import { type JobView, jobView, type Links } from '../domain/view.ts'
import { LiftError, liftJson } from '../files/lift.ts'
import { callerOf, maySee } from './access.ts'
import { bodyOf, passingBodyOf } from './bodies.ts'
import { recordsPerPage } from './bounds.ts'
import { findTasks, listModels } from './schema/operations/openai.ts'

export type LookupRoutesDeps = { store: JobStore; links: Links }

const maxQueryBytes = 2 ** 20
/** By the names that they have in the API's document. */
const modelPaths = {
  listModels: '/v1/models',
  listModelsOfProvider: '/openai/models',
  listModelsOfProviderV1: '/v1/openai/models',
}
const actionsAre = 'action must be retrieve (with id or trace_id; so it is without an action) or retrieve_batch (for several)'

type Query = Readonly<Record<string, unknown>>

async function readQuery(request: FastifyRequest): Promise<Query> {
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')
  return isForm ? readFormQuery(request) : readJsonQuery(request)
}

async function readJsonQuery(request: FastifyRequest): Promise<Query> {
  const limits = { maxBodyBytes: maxQueryBytes, maxJsonBytes: maxQueryBytes, maxFileBytes: 0, maxDepth: 8, keepRawBytes: 0 }
  try {
    const noFiles = (): never => {
      throw new Error('nothing is lifted here')
    }
    const { value } = await liftJson(passingBodyOf(request), { ...limits, select: () => null, create: noFiles, remove: noFiles })
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch (error) {
    if (!(error instanceof LiftError)) throw error
  }
  throw invalid(null, 'the body must be a JSON object, such as {"id": "…"}')
}

/** A form, in which a list is a name that is there more than once, or one that ends in []. */
async function readFormQuery(request: FastifyRequest): Promise<Query> {
  let text = ''
  for await (const chunk of bodyOf(request)) {
    text += chunk.toString('latin1')
    if (text.length > maxQueryBytes)
      throw new ServiceError('payload_too_large', `the body must have ${maxQueryBytes} bytes at most`)
  }
  const form = new URLSearchParams(text)
  const entries = [...new Set(form.keys())].map((name): [string, unknown] => {
    const values = form.getAll(name)
    const [value = ''] = values
    if (name.endsWith('[]')) return [name.slice(0, -2), values]
    return [name, values.length > 1 ? values : isNumeric(name, value) ? Number(value) : value]
  })
  return Object.fromEntries(entries)
}

function isNumeric(name: string, value: string): boolean {
  return /^(offset|limit|created_at_min|created_at_max)$/.test(name) && /^\d+(\.\d+)?$/.test(value)
}

const seconds = (at: number | null): number | null => (at === null ? null : at / 1_000)

/** What a request names its pictures by. */
function picturesOf({ inputs }: JobView) {
  const urls = (role: 'image' | 'mask') => inputs.filter(input => input.role === role).map(({ url }) => url)
  const [mask] = urls('mask')
  return { image: urls('image'), ...(mask === undefined ? {} : { mask }) }
}

/** The type of a record at the provider, which names what works on it there, as far as it is documented. */
function usualRecordType(model: string): string {
  const known = findModel(model)?.id ?? defaultModel
  return known.startsWith('gpt-image-2') ? 'images' : 'images_edits'
}

/** A job as the provider's tasks endpoint shows it. */
function recordOf(job: JobRecord, links: Links) {
  const view = jobView(job, links)
  const [task] = job.tasks
  const ids = { task_id: task?.providerTaskId ?? job.id, trace_id: task?.traceId ?? clientTraceOf(job) }
  const pictures = view.result?.data.map(({ url, revised_prompt }) => ({
    url,
    ...(revised_prompt === null ? {} : { revised_prompt }),
  }))
  const succeeded = { success: true, ...ids, created: view.result?.created, data: pictures, ...reportOf(job) }
  const failed = {
    success: false,
    ...ids,
    error: { code: view.error?.code ?? job.status, message: view.error?.message ?? `the job is ${job.status}` },
  }
  const over = isFinal(job.status)
  return {
    id: ids.task_id,
    type: task?.recordType ?? usualRecordType(job.model),
    trace_id: ids.trace_id,
    request: { model: job.model, prompt: job.prompt, ...picturesOf(view), n: job.n, ...job.params },
    response: over ? (view.result === null ? failed : succeeded) : null,
    created_at: seconds(job.createdAt),
    started_at: seconds(job.submittedAt),
    finished_at: seconds(job.completedAt),
    elapsed: over ? seconds((job.completedAt ?? job.createdAt) - (job.submittedAt ?? job.createdAt)) : null,
  }
}

function texts(query: Query, name: string): string[] {
  const value = query[name]
  if (value === undefined || value === null) return []
  const items: unknown[] = Array.isArray(value) ? value : [value]
  if (items.length > recordsPerPage.most || !items.every(item => typeof item === 'string'))
    throw invalid(name, `${name} must be up to ${recordsPerPage.most} texts`)
  return items
}

function isGiven(query: Query, name: string): boolean {
  return query[name] !== undefined && query[name] !== null
}

function number(query: Query, name: string, fallback: number | null): number | null {
  const value = query[name] ?? fallback
  if (value === null || (typeof value === 'number' && Number.isFinite(value) && value >= 0)) return value
  throw invalid(name, `${name} must be a number, 0 or more`)
}

function whole(query: Query, name: string, fallback: number): number {
  const value = number(query, name, fallback) ?? fallback
  if (Number.isSafeInteger(value)) return value
  throw invalid(name, `${name} must be a whole number`)
}

/** What is known of jobs, as the provider tells of its tasks, and the list of models, as OpenAI does. */
export function lookupRoutes({ store, links }: LookupRoutesDeps) {
  const byId = async (id: string): Promise<(JobRecord | null)[]> =>
    isJobId(id) ? [await store.job(id)] : store.jobsByProviderTask(id)

  async function find(request: FastifyRequest, ids: readonly string[], traceIds: readonly string[]): Promise<JobRecord[]> {
    const caller = callerOf(request)
    const owner = caller.sees === 'all' ? null : caller.owner
    const found = [
      ...(await Promise.all(ids.map(byId))),
      ...(await Promise.all(traceIds.map(id => store.jobsByTrace(id, owner)))),
    ].flat()
    const visible = found.filter(job => job !== null).filter(job => maySee(caller, job))
    return [...new Map(visible.map(job => [job.id, job])).values()]
  }

  /** `count`: all that match, of which the page is a part. */
  async function list(request: FastifyRequest, query: Query): Promise<{ jobs: JobRecord[]; count: number }> {
    const offset = whole(query, 'offset', 0)
    const limit = Math.min(recordsPerPage.most, Math.max(1, whole(query, 'limit', recordsPerPage.usual)))
    const ids = texts(query, 'ids')
    const traceIds = texts(query, 'trace_ids')
    // A list that names nothing is not everything.
    if (isGiven(query, 'ids') || isGiven(query, 'trace_ids')) {
      const jobs = await find(request, ids, traceIds)
      return { jobs: jobs.slice(offset, offset + limit), count: jobs.length }
    }
    const caller = callerOf(request)
    const from = number(query, 'created_at_min', null)
    const to = number(query, 'created_at_max', null)
    const filter = {
      owner: caller.sees === 'all' ? null : caller.owner,
      status: null,
      model: null,
      before: null,
      createdFrom: from === null ? null : Math.floor(from * 1_000),
      createdTo: to === null ? null : Math.ceil(to * 1_000),
      offset,
      limit,
    }
    return { jobs: await store.jobs(filter), count: await store.countJobs(filter) }
  }

  async function one(request: FastifyRequest, query: Query) {
    if (!isGiven(query, 'id') && !isGiven(query, 'trace_id')) throw invalid('id', `id or trace_id is required; ${actionsAre}`)
    // As the provider has it: beside a trace id, an id says nothing.
    const ids = isGiven(query, 'trace_id') ? [] : texts(query, 'id')
    const [job] = await find(request, ids, texts(query, 'trace_id'))
    return job === undefined ? {} : recordOf(job, links)
  }

  async function tasks(request: FastifyRequest) {
    const query = await readQuery(request)
    const action = isGiven(query, 'action') ? query['action'] : 'retrieve'
    if (action === 'retrieve') return one(request, query)
    if (action === 'delete') throw invalid('action', `tasks are not deleted here: DELETE /jobs/ID removes a job; ${actionsAre}`)
    if (action !== 'retrieve_batch') throw invalid('action', actionsAre)
    const { jobs, count } = await list(request, query)
    return { items: jobs.map(job => recordOf(job, links)), count }
  }

  return async (app: FastifyInstance): Promise<void> => {
    app.post('/openai/tasks', { config: { access: 'read' }, schema: findTasks('findTasks') }, tasks)
    app.post('/v1/openai/tasks', { config: { access: 'read' }, schema: findTasks('findTasksV1') }, tasks)
    const listed = async () => ({ object: 'list', data: models.map(modelView) })
    for (const [name, path] of Object.entries(modelPaths))
      app.get(path, { config: { access: 'read' }, schema: listModels(name) }, listed)
  }
}

/** A model as OpenAI lists it, with what each takes. */
export function modelView(model: (typeof models)[number]) {
  const priced = model.size === 'checked'
  return {
    id: model.id,
    object: 'model',
    created: 0,
    owned_by: 'xhuoapi',
    max_images: model.maxImages,
    takes: { urls: true, files: true, mask: model.takesMask, size: model.size !== 'ignored', n: true },
    sizes: priced
      ? sizePresets.map(({ size, ratio, resolution, multiplier }) => ({ size, ratio, resolution, multiplier }))
      : null,
    size_aliases: priced ? sizeAliases : null,
    price: { credits: model.credits, multiplier: 1 },
  }
}
