/**
 * Gives back the memory of a chunk that nobody will read again, at once: its length is 0 then. A chunk that is part of a larger
 * piece of memory is left alone: others may lie there too.
 *
 * Left to the garbage collector, chunks of 64 kB pile up: each is a small object to it, and it looks for garbage when there
 * are many objects. When it notices at last how much memory hangs on them it goes through everything that we have, ten times a
 * second while large bodies come in.
 */
export function giveBack(chunk: Uint8Array): void {
  const { buffer } = chunk
  if (buffer instanceof ArrayBuffer && chunk.byteLength === buffer.byteLength) buffer.transfer(0)
}
