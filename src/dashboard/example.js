// @ts-check
const width = 1024
const height = 768

/**
 * @param {CanvasRenderingContext2D} canvas
 * @param {readonly string[]} colours
 */
function fade(canvas, colours) {
  const gradient = canvas.createLinearGradient(0, 0, 0, height)
  for (const [index, colour] of colours.entries()) gradient.addColorStop(index / (colours.length - 1), colour)
  return gradient
}

/**
 * A line of hills, filled down to the ground.
 * @param {CanvasRenderingContext2D} canvas
 * @param {{ base: number, rise: number, wave: number, from: number, colour: string }} hills
 */
function drawHills(canvas, { base, rise, wave, from, colour }) {
  canvas.beginPath()
  canvas.moveTo(0, height)
  for (let x = 0; x <= width; x += 4)
    canvas.lineTo(x, base + rise * Math.sin(from + x / wave) + (rise / 3) * Math.sin(from * 2 + x / (wave / 2.7)))
  canvas.lineTo(width, height)
  canvas.fillStyle = colour
  canvas.fill()
}

/** A landscape, drawn here: something to edit where nobody has a picture at hand. */
export async function drawExample() {
  const element = document.createElement('canvas')
  element.width = width
  element.height = height
  const canvas = element.getContext('2d')
  if (canvas === null) throw new Error('this browser draws no pictures')
  canvas.fillStyle = fade(canvas, ['#f9d7a8', '#f6b28a', '#e58a7b'])
  canvas.fillRect(0, 0, width, height)
  canvas.beginPath()
  canvas.arc(690, 300, 96, 0, 2 * Math.PI)
  canvas.fillStyle = '#fff4dc'
  canvas.fill()
  drawHills(canvas, { base: 430, rise: 52, wave: 130, from: 0.4, colour: '#b9657a' })
  drawHills(canvas, { base: 520, rise: 46, wave: 170, from: 2.2, colour: '#7d4a70' })
  drawHills(canvas, { base: 620, rise: 40, wave: 210, from: 4.4, colour: '#4a3258' })
  drawHills(canvas, { base: 710, rise: 26, wave: 260, from: 1.1, colour: '#2a2038' })
  const blob = await new Promise(resolve => element.toBlob(resolve, 'image/png'))
  if (!(blob instanceof Blob)) throw new Error('this browser makes no PNG')
  return new File([blob], 'landscape.png', { type: 'image/png' })
}
