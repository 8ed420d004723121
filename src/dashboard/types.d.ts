/** What the service sends, as far as the page reads it. */

export type Status = 'queued' | 'processing' | 'succeeded' | 'failed' | 'canceled' | 'expired'
export type Problem = { code: string; message: string; trace_id: string | null; retryable: boolean }

export type Input = { role: 'image' | 'mask'; url: string; content_type: string | null; bytes: number | null }
export type Image = {
  url: string
  provider_url: string | null
  stored: boolean
  revised_prompt: string | null
  bytes: number | null
  content_type: string | null
  width: number | null
  height: number | null
}
export type Result = { created: number; data: Image[] }

export type Task = {
  task_id: string | null
  status: string
  attempts: number
  trace_id: string | null
  source: 'callback' | 'poll' | 'inline' | null
  submitted_at: string | null
  completed_at: string | null
}

export type Job = {
  id: string
  task_id: string | null
  status: Status
  model: string
  prompt: string
  params: Readonly<Record<string, unknown>>
  n: number
  metadata: Readonly<Record<string, string>>
  inputs: Input[]
  warnings: readonly string[]
  cost: { multiplier: number; credits: number | null; billable: 'yes' | 'no' | 'unknown' }
  tasks: Task[]
  result: Result | null
  late_result: Result | null
  error: Problem | null
  errors: Problem[]
  retry_of: string | null
  created_at: string
  submitted_at: string | null
  completed_at: string | null
  expires_at: string
}

export type Page = { data: Job[]; next_cursor: string | null; has_more: boolean }

export type Callback = {
  received_at: string
  bytes: number
  outcome: 'applied' | 'duplicate' | 'late' | 'malformed'
  body: unknown
}
export type Attempt = { at: string; status: number | null; ms: number; answer: string | null }
export type Delivery = {
  id: string
  type: string
  url: string
  status: 'pending' | 'delivered' | 'failed'
  attempts: readonly Attempt[]
}

export type Size = { size: string; ratio: string; resolution: string; multiplier: number }
export type Model = {
  id: string
  max_images: number
  takes: { mask: boolean; size: boolean }
  sizes: Size[] | null
  size_aliases: string[] | null
  price: { credits: number | null; multiplier: number }
}

/** What a request came to: an answer, or why there is none. */
export type Answer<T> = { ok: true; status: number; body: T; headers: Headers } | { ok: false; trouble: Trouble }
/** `code`: the service's or the provider's own, or `offline` where nothing answered. */
export type Trouble = {
  status: number
  code: string
  message: string
  param: string | null
  job_id: string | null
  request_id: string | null
  retryAfterS: number | null
}

export type Picked = { id: number; file: File; preview: string } | { id: number; url: string }
