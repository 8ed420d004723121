/** What routes hold requests to, and what the API's document says of it. */

/** Jobs on a page of GET /jobs. */
export const jobsPerPage = { usual: 20, most: 100 }

/** Records in an answer of POST /openai/tasks, and ids in a request of it. */
export const recordsPerPage = { usual: 12, most: 100 }
