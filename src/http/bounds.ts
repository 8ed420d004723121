/** What routes hold requests to, and what the API's document says of it. */

/** Seconds that GET /jobs/… may be asked to wait. */
export const longestWaitS = 90

/** Jobs on a page of GET /jobs. */
export const jobsPerPage = { usual: 20, most: 100 }

/** Records in an answer of POST /openai/tasks, and ids in a request of it. */
export const recordsPerPage = { usual: 12, most: 100 }

/** OpenAI's SDKs give up after 300 s; what is not there by then goes on as a job. */
export const answerWithinS = 280
