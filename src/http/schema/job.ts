import { costSources } from '../../domain/cost.ts'
import { jobIdForm } from '../../domain/ids.ts'
import { billables, jobStatuses, sources, taskStatuses } from '../../domain/job.ts'
import { maxN } from '../../domain/request.ts'
import { finishedJob } from './examples.ts'
import { flag, integer, list, type NamedSchema, named, number, object, oneOf, orNull, ref, text, time } from './schema.ts'

const jobError = named(
  'JobError',
  object(
    {
      code: text(
        'The provider’s own code where there is one: `forbidden`, `used_up`, `api_error`, …; ours: `expired`, `no_result`, …',
      ),
      message: text('What went wrong, in the provider’s words where there are any.'),
      type: text('The family of the error, as OpenAI’s SDKs know them.'),
      trace_id: orNull(text('The provider’s id of the request, for its support.')),
      retryable: flag('Whether the same request may well succeed when it is sent again.'),
    },
    { description: 'Why a task has no picture.' },
  ),
)

const task = named(
  'Task',
  object(
    {
      task_id: orNull(text('The provider’s id; null until it is known.')),
      status: oneOf(
        '`unconfirmed`: nobody knows whether the provider has it; it may be running and billed, and is never submitted again by itself.',
        taskStatuses,
      ),
      attempts: integer('How often a submit left for the provider.'),
      trace_id: orNull(text('The provider’s id of the request, for its support.')),
      source: orNull(oneOf('How the result arrived; null: not yet.', sources)),
      submitted_at: orNull(time('When the provider took it.')),
      completed_at: orNull(time('When it ended.')),
      error: orNull(
        ref('JobError'),
        'Why it has no picture; of one that may be running, what the provider said against its submit. Null where it has one, or was canceled.',
      ),
    },
    { description: 'One run at the provider: one charge.' },
  ),
)

const picture = named(
  'Picture',
  object(
    {
      url: text('Where the picture is: opens without a key for 24 hours at least, 48 at most.', { format: 'uri' }),
      provider_url: orNull(text('Where the provider keeps it; null where it sent the bytes.')),
      revised_prompt: orNull(text('The prompt as the provider understood it.')),
      sha256: orNull(text('Of the bytes, in hex; null until the picture was copied.')),
      bytes: orNull(integer('Size of the file.')),
      content_type: orNull(
        text('By its bytes; `application/octet-stream` for a kind that is not known here.', { examples: ['image/png'] }),
      ),
      width: orNull(integer('Pixels, as it is shown. It may be another size than was asked for.')),
      height: orNull(integer('Pixels, as it is shown.')),
      stored: flag(
        'Whether its bytes are kept here. If not, copying is tried again for a day; then `warnings` says why, and `url` goes on trying.',
      ),
    },
    { description: 'One picture that came back. What is not known yet is null.' },
  ),
)

const result = named(
  'Result',
  object(
    {
      created: integer('Seconds since 1970.'),
      data: list(
        ref('Picture'),
        'In order of arrival. The index of a picture never changes: it is the one in `/jobs/{taskId}/images/{index}`.',
      ),
    },
    { description: 'The pictures.' },
  ),
)

const input = named(
  'Input',
  object(
    {
      role: oneOf('A picture to edit, or the mask that says where.', ['image', 'mask']),
      url: text('Ours, signed, for a file that was sent in; as it was given for a URL.'),
      content_type: orNull(text('By its bytes; null for a URL that was not fetched.')),
      bytes: orNull(integer('Size of the file.')),
    },
    { description: 'One picture that was sent in.' },
  ),
)

const cost = object(
  {
    multiplier: number('Price of the size, relative to a 1K picture.'),
    credits: orNull(number('All tasks together; null where neither the results nor the table of prices say it.')),
    source: orNull(oneOf('`reported`: the provider’s results say so. `table`: price times tasks. Null: not known.', costSources)),
    billable: oneOf(
      '`yes`: a task succeeded. `no`: nothing was accepted, or all that was accepted failed. `unknown`: else.',
      billables,
    ),
  },
  { description: 'What the job costs at the provider.' },
)

const usage = {
  type: ['object', 'null'],
  additionalProperties: true,
  description:
    'What the provider’s results say that they used, such as `input_tokens`, summed over the tasks; null: they say nothing.',
}

const urls = object(
  { self: text('The job.'), events: text('Its events.'), cancel: text('POST here to cancel it.') },
  { description: 'Where to go on.' },
)

const job = named(
  'Job',
  object(
    {
      id: text('Ours. Sorts by creation.', { pattern: jobIdForm.source }),
      task_id: orNull(text('The provider’s id of the first task; null until it is known. It may be used in place of `id`.')),
      status: oneOf('The last four are final, and never change.', jobStatuses),
      model: text('The model.'),
      prompt: text('What was asked for.'),
      params: { type: 'object', additionalProperties: true, description: 'All other parameters, as they go to the provider.' },
      n: integer('How many pictures were asked for.', { minimum: 1, maximum: maxN }),
      metadata: { type: 'object', additionalProperties: { type: 'string' }, description: 'Your own pairs.' },
      inputs: list(ref('Input'), 'The pictures that were sent in.'),
      warnings: list(
        { type: 'string' },
        'What was dropped of the request, because the model ignores it; what of the result is no picture, or could not be copied.',
      ),
      cost,
      usage,
      tasks: list(ref('Task'), 'One, or `n` where the model makes one picture at a time.'),
      queue_position: orNull(
        integer(
          'While `queued`: how many tasks leave before its first (0: next), as the turns stand now; of each key 10,000 are counted at most.',
        ),
      ),
      result: orNull(ref('Result'), 'Null until the first picture is there.'),
      late_result: orNull(
        ref('Result'),
        'Pictures that came after the job’s end. They were paid for, so they are kept; the status stays.',
      ),
      error: orNull(ref('JobError'), 'Why the job has no picture.'),
      errors: list(ref('JobError'), 'One for each task that failed, of a job that succeeded too.'),
      retry_of: orNull(text('The job that this one is another try of.')),
      created_at: time('When the job came in.'),
      submitted_at: orNull(time('When the provider took its first task.')),
      completed_at: orNull(time('When it ended.')),
      expires_at: time('When it ends as `expired` if no picture is there.'),
      urls,
    },
    { description: 'What a client asked for, once.', examples: [finishedJob] },
  ),
)

const jobPage = named(
  'JobPage',
  object(
    {
      data: list(ref('Job'), 'Newest first.'),
      next_cursor: orNull(text('Send it as `cursor` for the next page; null on the last.')),
      has_more: flag('Whether there is a next page.'),
    },
    { description: 'One page of jobs.' },
  ),
)

export const jobSchemas: readonly NamedSchema[] = [jobError, task, picture, result, input, job, jobPage]
