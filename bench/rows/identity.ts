/** What the service is run with here, so that tokens can be made for it and its jobs be read. */
export const secret = 'a-secret-for-measuring-only-0123456789'
export const owner = 'bench'
export const apiKey = 'bench-key-0123456789'
