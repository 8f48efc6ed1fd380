// Small things to send: places, sentences to speak, a picture that is drawn here.

export const places = [
  { label: '广州市天河区体育西路 191 号', latitude: 23.1322, longitude: 113.3212 },
  { label: '深圳市南山区科技园科兴路', latitude: 22.5484, longitude: 113.9431 },
]

export const spoken = ['帮我查查话费还有几块', '这个月流量还剩多少啊', '我要找人工']

const MAX_SIDE = 1280 // px; a photo is made smaller before it is sent

const base64 = (blob) =>
  new Promise((done, failed) => {
    const reader = new FileReader()
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(',') + 1))
    reader.onerror = () => failed(new Error('这张图片读不出来'))
    reader.readAsDataURL(blob)
  })

const blobOf = (canvas) => new Promise((done, failed) => canvas.toBlob((b) => (b ? done(b) : failed(new Error('这张图片发不了'))), 'image/jpeg', 0.85))

/** Reads a chosen picture as base64, at most MAX_SIDE wide and high. */
export async function photo(file) {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error('这不是能发送的图片')
  })
  const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height))
  const canvas = Object.assign(document.createElement('canvas'), {
    width: Math.max(1, Math.round(picture.width * scale)),
    height: Math.max(1, Math.round(picture.height * scale)),
  })
  const pen = canvas.getContext('2d')
  pen.fillStyle = '#fff'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height)
  return base64(await blobOf(canvas))
}

/** A little landscape, for whoever has no photo at hand. */
export async function landscape() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 480, height: 360 })
  const pen = canvas.getContext('2d')
  const sky = pen.createLinearGradient(0, 0, 0, 360)
  sky.addColorStop(0, '#ffd9a0')
  sky.addColorStop(1, '#f48a63')
  pen.fillStyle = sky
  pen.fillRect(0, 0, 480, 360)
  pen.fillStyle = '#fff3d6'
  pen.beginPath()
  pen.arc(350, 120, 44, 0, 7)
  pen.fill()
  for (const [colour, from, peaks] of [
    ['#8d5a6b', 240, [60, 190, 170, 250, 290, 170, 480, 260]],
    ['#4c3b57', 300, [0, 260, 130, 230, 260, 310, 480, 250]],
  ]) {
    pen.fillStyle = colour
    pen.beginPath()
    pen.moveTo(0, from)
    for (let i = 0; i < peaks.length; i += 2) pen.lineTo(peaks[i], peaks[i + 1])
    pen.lineTo(480, 360)
    pen.lineTo(0, 360)
    pen.fill()
  }
  return base64(await blobOf(canvas))
}
