import { jobEventTypes } from '../../domain/events.ts'
import { callbackOutcomes, deliveryStatuses } from '../../domain/records.ts'
import { callback, delivery } from './examples.ts'
import { anything, integer, list, type NamedSchema, named, object, oneOf, orNull, ref, text, time } from './schema.ts'

const callbackSchema = named(
  'Callback',
  object(
    {
      received_at: time('When it came.'),
      bytes: integer('Size of its body.'),
      outcome: oneOf(
        '`applied`: it ended its task. `duplicate`: it told nothing new. `late`: it came after the end, and is kept. `malformed`: there was no result in it.',
        callbackOutcomes,
      ),
      body: anything('What the provider sent, without its pictures; a text where it was cut for its length.'),
    },
    { description: 'One POST that the provider sent.', examples: [callback] },
  ),
)

const attempt = object({
  at: time('When it was sent.'),
  status: orNull(integer('HTTP; null where there was no answer.')),
  ms: integer('How long it took.'),
  answer: orNull(text('The first kB of the answer, or why there was none.')),
})

const deliverySchema = named(
  'Delivery',
  object(
    {
      id: text('The `webhook-id`.'),
      type: oneOf('What it tells of.', jobEventTypes),
      url: text('Where it goes.'),
      status: oneOf('`failed`: given up.', deliveryStatuses),
      attempts: list(attempt, 'In order.'),
    },
    { description: 'One POST that this service sends until it is taken.', examples: [delivery] },
  ),
)

const callbackList = named('CallbackList', object({ data: list(ref('Callback'), 'In order of arrival.') }))
const deliveryList = named('DeliveryList', object({ data: list(ref('Delivery'), 'In order of creation.') }))

export const deliverySchemas: readonly NamedSchema[] = [callbackSchema, deliverySchema, callbackList, deliveryList]
