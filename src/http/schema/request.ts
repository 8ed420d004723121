import { jobEventTypes } from '../../domain/events.ts'
import { maxUrlLength } from '../../domain/inputs.ts'
import {
  defaultModel,
  leastPixels,
  maxImagesPerRequest,
  maxPixels,
  maxSide,
  models,
  mostRatio,
  sideStep,
  sizePresets,
} from '../../domain/models.ts'
import { maxCompression, type textParams } from '../../domain/params.ts'
import {
  defaultWebhookEvents,
  maxKeyLength,
  maxN,
  maxPairs,
  maxPromptLength,
  maxValueLength,
  modelName,
} from '../../domain/request.ts'
import { maxTraceIdLength } from '../../domain/trace.ts'
import { formRequest, jsonRequest, openAiFormRequest, openAiJsonRequest } from './examples.ts'
import { flag, integer, list, oneOf, type Schema, text } from './schema.ts'

const sizes = sizePresets.map(({ size }) => size).join(', ')

/** What goes to the provider, as text. The keys are those that are checked to be texts. */
const textFields: Record<(typeof textParams)[number], Schema> = {
  size: text(
    `For gpt-image-2: \`auto\` or \`WIDTHxHEIGHT\`, both multiples of ${sideStep}, long side ${maxSide} at most, ${maxPixels.toLocaleString('en')} pixels at most. Presets: ${sizes}. Less than ${leastPixels.toLocaleString('en')} pixels, or beyond ${mostRatio}:1, may be refused by the provider: a line in \`warnings\`. What costs more is in \`GET /v1/models\`.`,
    { examples: ['1024x1536'] },
  ),
  quality: text('As the model has it.'),
  background: text('As the model has it.'),
  input_fidelity: text('As the model has it.'),
  output_format: text('As the model has it.'),
  response_format: text('`url` or `b64_json`: for the OpenAI-compatible routes the form of the answer too.'),
  user: text('Your own name for the end user, for the provider.'),
}

const metadata: Schema = {
  type: 'object',
  description: 'Your own pairs, kept with the job.',
  maxProperties: maxPairs,
  propertyNames: { minLength: 1, maxLength: maxKeyLength },
  additionalProperties: { type: 'string', maxLength: maxValueLength },
}
const webhookEvents = list(oneOf('What happened.', jobEventTypes), 'Which events to tell of.', {
  minItems: 1,
  default: defaultWebhookEvents,
})

const fields: Record<string, Schema> = {
  prompt: text('What to change in the picture. Not blank.', { minLength: 1, maxLength: maxPromptLength, pattern: '\\S' }),
  model: text('`NAME:variant` takes what `NAME` takes. Other names go to the provider as they are.', {
    pattern: modelName.source,
    default: defaultModel,
    examples: models.map(model => model.id),
  }),
  n: integer('How many pictures. Most models make one at a time: then `n` tasks, and `n` charges.', {
    minimum: 1,
    maximum: maxN,
    default: 1,
  }),
  ...textFields,
  output_compression: integer('Per cent.', { minimum: 0, maximum: maxCompression }),
  trace_id: text('Your own id of the call, to find its task by at `/openai/tasks`. It goes to the provider if `n` is 1.', {
    maxLength: maxTraceIdLength,
  }),
  timeout_s: integer('After so many seconds the job is `expired`. `JOB_TIMEOUT_S` (2400) at most, which is the default.', {
    minimum: 1,
  }),
  webhook_url: text('Where to tell of the job’s end. A public address.', {
    format: 'uri',
    examples: ['https://example.com/hooks/darkroom'],
  }),
  webhook_events: webhookEvents,
  metadata,
}

const link = (description: string): Schema =>
  text(description, {
    anyOf: [
      { pattern: '^data:' },
      { pattern: '^https?:', maxLength: maxUrlLength },
      { pattern: '^[\\w+/\\-\\s]{64}[\\w+/=\\-\\s]*$' },
    ],
  })
const linkText = 'A URL, or a PNG, JPEG or WebP as a `data:` URL or as bare base64.'
const maskText =
  'The part that may change: a PNG with alpha, transparent where it may, in the pixel size of the first image. Another format, and more than 4 MB, are mended here.'
const several = (item: Schema, description: string): Schema =>
  list(item, description, { minItems: 1, maxItems: maxImagesPerRequest })
const file = (description: string): Schema => ({ type: 'string', format: 'binary', description })
/** A part of a form that holds JSON. */
const asText = (description: string, schema: Schema): Schema => ({
  type: 'string',
  description: `${description} JSON text.`,
  contentMediaType: 'application/json',
  contentSchema: schema,
})

const others = 'Fields that are not named here go to the provider as they are.'
const json = (properties: Record<string, Schema>, required: readonly string[], examples: object): Schema => ({
  type: 'object',
  description: others,
  required,
  properties,
  additionalProperties: true,
  'x-examples': examples,
})

const jsonFields = {
  ...fields,
  image: { description: 'The picture, or several.', anyOf: [link(linkText), several(link(linkText), 'Several pictures.')] },
  mask: link(`${maskText} ${linkText}`),
}
const formFields = {
  ...fields,
  image: several(
    file('A PNG, JPEG or WebP.'),
    'Files; a URL may be sent as a text of the same name. Also as `image[]` or `image[0]`.',
  ),
  mask: file(`${maskText} Also as \`mask[]\`.`),
  metadata: asText('Your own pairs, kept with the job.', metadata),
  webhook_events: asText('Which events to tell of.', webhookEvents),
}
const webLink = (description: string): Schema => text(description, { pattern: '^https?:', maxLength: maxUrlLength })
const urlencodedFields = {
  ...formFields,
  image: {
    description: 'The picture, or several under the same name, `image[]` or `image[0]`.',
    anyOf: [webLink('Its URL.'), several(webLink('Its URL.'), 'Several pictures.')],
  },
  mask: webLink(`${maskText} Its URL.`),
}
const wrapped = { type: 'object', required: ['image_url'], properties: { image_url: link(linkText) } }
const answering = {
  stream: flag('Answer at once with server-sent events.'),
  async: flag('Answer at once with the id of the task.'),
  callback_url: text('Answer at once, and POST the result there in the provider’s shape.', { format: 'uri' }),
  partial_images: integer('Ignored: there are no partial pictures.'),
}

const body = (ofJson: Schema, ofForm: Schema, ofUrlencoded: Schema) => ({
  content: {
    'application/json': { schema: ofJson },
    'multipart/form-data': { schema: ofForm },
    'application/x-www-form-urlencoded': { schema: ofUrlencoded },
  },
})

const required = ['prompt', 'image']

/** The body of POST /jobs. */
export const jobRequest = body(
  json(jsonFields, required, { picture: { summary: 'A picture as a data: URL', value: jsonRequest } }),
  json(formFields, required, { file: { summary: 'A picture as a file', value: formRequest } }),
  json(urlencodedFields, required, {}),
)

/** The body of an edit as OpenAI, and the provider, have it. */
export const editRequest = body(
  json(
    {
      ...jsonFields,
      ...answering,
      images: several(wrapped, 'OpenAI’s own form of `image`.'),
      mask: { description: 'The part that may change.', anyOf: [link(linkText), wrapped] },
    },
    ['prompt'],
    { picture: { summary: 'A picture as a data: URL', value: openAiJsonRequest } },
  ),
  json({ ...formFields, ...answering }, required, { file: { summary: 'A picture as a file', value: openAiFormRequest } }),
  json({ ...urlencodedFields, ...answering }, required, {}),
)
