/*
 * Examples of the API's document. Requests are sent as they stand here by a test; answers were given by a service on its sandbox.
 */

/** A blue dot on paper, 64×64, small enough for a command line. */
export const tinyPicture =
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAgMAAADXB5lNAAAADFBMVEUlY+v07+Z5nOm6yOi0Qn/XAAAACXBIWXMAAAsTAAALEwEAmpwYAAAAlklEQVQ4y93Tuw2AMAwEUBNEkQEYIXswAgWfVIhRsgSj0LME+/CJHQInREUBV74qti9UX0Kfh86p8QSOSMVgaY2JYNogPaChPUMA68EE6D3oAM6DEmiJMzNUAjmDFTAMpUDG0AtohkIgYZgEUgYnoO6AQt6E53fA02E4GB8WBCuEJcMZ4FB4Sjg21AEKg5WC0mEtf/HnFraU9s0K/ItpAAAAAElFTkSuQmCC'

const dataUrl = `data:image/png;base64,${tinyPicture}`

export const jsonRequest = { prompt: 'make it night', image: dataUrl, size: '1024x1536', metadata: { order: '1001' } }

/** `image` stands for a file: no text could be one. */
export const formRequest = { prompt: 'make it night', image: ['photo.png'], size: '1024x1536' }

export const openAiJsonRequest = { model: 'gpt-image-2', prompt: 'make it night', image: dataUrl }

export const openAiFormRequest = { model: 'gpt-image-1', prompt: 'make it night', image: ['photo.png'] }

const jobId = 'job_06h06vyfbg002tr980fbxwrq5yb5'
const taskId = 'c8288e08-4cfa-438f-8dd4-edd1d14b44a6'
const traceId = '5263e5e6-b7e7-457f-a5d5-f37338d6af0a'
const self = `http://localhost:3000/jobs/${jobId}`
const inputUrl = `${self}/inputs/0?exp=1795478400&sig=RQK8x4BlZ89WCVR9EF9ixYjHGjZWh6S1qaQV_p81Z6w`
const pictureUrl = `${self}/images/0?exp=1795478400&sig=9jPP46UwCmjkYi-y_jsqLdHzeI8u5OIG7du6oTB-hwc`
const providerUrl = `http://127.0.0.1:35531/files/${taskId}_0.png`

export const exampleIds = { jobId, taskId, deliveryId: 'msg_Nl9ub9LCTgmA4LsSaSR_cXas' }

/** As POST /jobs answers. */
export const submittedJob = {
  id: jobId,
  task_id: taskId,
  status: 'processing',
  model: 'gpt-image-2',
  prompt: 'make it night',
  params: { size: '1024x1536' },
  n: 1,
  metadata: { order: '1001' },
  inputs: [{ role: 'image', url: inputUrl, content_type: 'image/png', bytes: 252 }],
  warnings: [],
  cost: { multiplier: 1, credits: null, source: null, billable: 'unknown' },
  usage: null,
  tasks: [
    {
      task_id: taskId,
      status: 'submitted',
      attempts: 1,
      trace_id: null,
      source: null,
      submitted_at: '2026-11-22T13:26:29.194Z',
      completed_at: null,
      error: null,
    },
  ],
  queue_position: null,
  result: null,
  late_result: null,
  error: null,
  errors: [],
  retry_of: null,
  created_at: '2026-11-22T13:26:28.971Z',
  submitted_at: '2026-11-22T13:26:29.194Z',
  completed_at: null,
  expires_at: '2026-11-22T13:56:28.971Z',
  urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
}

const completedAt = '2026-11-22T13:26:30.593Z'

export const finishedJob = {
  ...submittedJob,
  status: 'succeeded',
  cost: { multiplier: 1, credits: null, source: null, billable: 'yes' },
  tasks: submittedJob.tasks.map(task => ({
    ...task,
    status: 'succeeded',
    trace_id: traceId,
    source: 'callback',
    completed_at: completedAt,
  })),
  result: {
    created: 1795353990,
    data: [
      {
        url: pictureUrl,
        provider_url: providerUrl,
        revised_prompt: 'make it night',
        sha256: '500ae178ecb8467a768d266f4e30d9db814a7f2de1b74db7b759d245a8eaa9bb',
        bytes: 278734,
        content_type: 'image/png',
        width: 1024,
        height: 1536,
        stored: true,
      },
    ],
  },
  completed_at: completedAt,
}

export const canceledJob = {
  ...submittedJob,
  status: 'canceled',
  tasks: submittedJob.tasks.map(task => ({ ...task, status: 'canceled', completed_at: completedAt })),
  completed_at: completedAt,
}

const pictures = [{ url: pictureUrl, revised_prompt: 'make it night' }]
const reported = { success: true, task_id: taskId, trace_id: traceId, created: 1795353990 }

export const callback = {
  received_at: completedAt,
  bytes: 280,
  outcome: 'applied',
  body: { ...reported, data: [{ revised_prompt: 'make it night', url: providerUrl }], elapsed: 1.507 },
}

/** What the provider POSTs: the bytes of the picture, or its URL, in one of the shapes that it has. */
export const providerResult = { ...reported, data: { created: 1795353990, data: [{ b64_json: tinyPicture }] } }

export const delivery = {
  id: exampleIds.deliveryId,
  type: 'job.succeeded',
  url: 'https://example.com/hooks/darkroom',
  status: 'delivered',
  attempts: [{ at: '2026-11-22T13:26:30.653Z', status: 204, ms: 42, answer: '' }],
}

export const editAnswer = { ...reported, elapsed: 1.508, job_id: jobId, data: pictures }

export const taskRecord = {
  id: taskId,
  type: 'images',
  trace_id: traceId,
  request: { model: 'gpt-image-2', prompt: 'make it night', image: [inputUrl], n: 1, size: '1024x1536' },
  response: { ...reported, data: pictures },
  created_at: 1795353988.971,
  started_at: 1795353989.194,
  finished_at: 1795353990.593,
  elapsed: 1.399,
}

export const notice = { type: 'job.succeeded', timestamp: completedAt, data: finishedJob }

export const requestId = 'req_211fce63-ea1a-4166-bd66-a629f3cd77ce'
