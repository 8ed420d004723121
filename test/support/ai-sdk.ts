import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateImage } from 'ai'
import { picture } from './pictures.ts'

/* The Vercel AI SDK, as its users call it: it repeats a POST up to twice, without a word of that in the request. */

export const packages = ['@ai-sdk/openai', '@ai-sdk/openai-compatible'] as const

function modelOf(name: (typeof packages)[number], url: string) {
  const baseURL = `${url}/v1`
  if (name === '@ai-sdk/openai') return createOpenAI({ apiKey: 'web-secret', baseURL }).image('gpt-image-1')
  return createOpenAICompatible({ name: 'darkroom', apiKey: 'web-secret', baseURL }).imageModel('gpt-image-1')
}

export type Edit = { n?: number; headers?: Record<string, string>; maxRetries?: number }

/** Edits a picture; gives the bytes of those that came. Without its warnings on the console. */
export async function edit(name: (typeof packages)[number], url: string, text: string, more: Edit = {}): Promise<Buffer[]> {
  const { images } = await generateImage({ model: modelOf(name, url), prompt: { text, images: [await picture()] }, ...more })
  return images.map(image => Buffer.from(image.uint8Array))
}
