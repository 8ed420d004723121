import { sizePresets } from '../../domain/models.ts'
import { editAnswer, exampleIds, taskRecord } from './examples.ts'
import { flag, integer, list, type NamedSchema, named, number, object, oneOf, orNull, ref, type Schema, text } from './schema.ts'

const ids = {
  task_id: text('The provider’s id; ours where it is not known.'),
  trace_id: orNull(text('The provider’s id of the request.')),
}

/** An object of which some fields may be missing. */
function withOptional(fields: Record<string, Schema>, optional: Record<string, Schema>, more: Schema = {}): Schema {
  return { type: 'object', required: Object.keys(fields), properties: { ...fields, ...optional }, ...more }
}

/** What a result reports beside its pictures. */
export const report = {
  usage: {
    type: 'object',
    additionalProperties: true,
    description: 'What the provider’s results say that they used, such as `input_tokens`, where they say it.',
  },
  cost: object(
    { amount: number('Credits.'), currency: oneOf('Always so.', ['credit']) },
    { description: 'What the provider’s results say that they cost, where they say it.' },
  ),
}

const editedPicture = named(
  'EditedPicture',
  withOptional(
    { url: text('Ours: opens without a key for 24 hours at least, 48 at most.', { format: 'uri' }) },
    {
      revised_prompt: text('The prompt as the provider understood it.'),
      b64_json: text('The bytes in base64, where they were asked for.'),
    },
    { description: 'One picture of an edit.' },
  ),
)

const editAnswerSchema = named(
  'EditAnswer',
  withOptional(
    {
      success: flag('Always true.'),
      ...ids,
      created: integer('Seconds since 1970.'),
      elapsed: number('Seconds from the submit to the end.'),
      job_id: text('The job.'),
      data: list(ref('EditedPicture'), 'The pictures.'),
    },
    report,
    { description: 'An edit whose pictures are there.', examples: [editAnswer] },
  ),
)

const taskStarted = named(
  'TaskStarted',
  object(
    { task_id: text('To ask for the task with: the provider’s id, or ours where it is not known yet.') },
    { description: 'An edit that goes on.', examples: [{ task_id: exampleIds.taskId }] },
  ),
)

const taskResponse = withOptional(
  { success: flag('Whether there is a picture.'), ...ids },
  {
    created: integer('Seconds since 1970.'),
    data: list(ref('EditedPicture'), 'The pictures.'),
    error: object({ code: text('For programs.'), message: text('For people.') }),
    ...report,
  },
)

const taskRecordSchema = named(
  'TaskRecord',
  object(
    {
      id: text('The provider’s id of the task; ours where it is not known.'),
      type: text('What works on it at the provider: as its record says, where that is known.', {
        examples: ['images', 'images_edits'],
      }),
      trace_id: ids.trace_id,
      request: { type: 'object', additionalProperties: true, description: 'What was asked for.' },
      response: orNull(taskResponse, 'Null while it runs.'),
      created_at: number('Seconds since 1970.'),
      started_at: orNull(number('Seconds since 1970.')),
      finished_at: orNull(number('Seconds since 1970; null while it runs.')),
      elapsed: orNull(number('Seconds.')),
    },
    { description: 'A job as the provider tells of its tasks.', examples: [taskRecord] },
  ),
)

const taskRecordList = named(
  'TaskRecordList',
  object(
    {
      items: list(ref('TaskRecord'), 'One for each job: in the order of the ids that were asked for, otherwise newest first.'),
      count: integer('All that match, of which this is a part; counting stops at 10,000.'),
    },
    { examples: [{ items: [taskRecord], count: 1 }] },
  ),
)

const size = object({
  size: oneOf(
    'WIDTHxHEIGHT',
    sizePresets.map(preset => preset.size),
  ),
  ratio: text('Width to height.'),
  resolution: oneOf('About so large.', ['1K', '2K', '4K']),
  multiplier: number('Price, relative to a 1K picture.'),
})

const model = named(
  'Model',
  object(
    {
      id: text('Its name.'),
      object: oneOf('Always so.', ['model']),
      created: integer('Not known: 0.'),
      owned_by: text('The provider.'),
      max_images: integer('Pictures in one request.'),
      takes: object({
        urls: flag('Pictures by URL.'),
        files: flag('Pictures as files.'),
        mask: flag('A mask; otherwise it is dropped.'),
        size: flag('A size; otherwise it is dropped.'),
        n: flag('More than one picture.'),
      }),
      sizes: orNull(list(size, 'Sizes with a name.'), 'Sizes with a price of their own; null where there are none.'),
      size_aliases: orNull(
        list(text('WIDTHxHEIGHT'), 'Sizes in which 1K pictures really come back.'),
        'Sizes without a name that cost as much as a 1K picture; null where there are none.',
      ),
      price: object({
        credits: orNull(number('For one task; null where it is not known.')),
        multiplier: number('Of a 1K picture.'),
      }),
    },
    { description: 'A known model.' },
  ),
)

const modelList = named(
  'ModelList',
  object({ object: oneOf('Always so.', ['list']), data: list(ref('Model'), 'The known models.') }),
)

export const openAiSchemas: readonly NamedSchema[] = [
  editedPicture,
  editAnswerSchema,
  taskStarted,
  taskRecordSchema,
  taskRecordList,
  model,
  modelList,
]
