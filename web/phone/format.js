// How times, money and data are written, and what WeChat's bare texts hide.
// Everything is told in Beijing time, as the account's own answers are.

const ZONE = 'Asia/Shanghai'
const part = (options) => new Intl.DateTimeFormat('zh-CN', { timeZone: ZONE, hourCycle: 'h23', ...options })
const CLOCK = part({ hour: '2-digit', minute: '2-digit' })
const SECONDS = part({ hour: '2-digit', minute: '2-digit', second: '2-digit' })
const DATE = part({ month: 'long', day: 'numeric' })
const WEEKDAY = part({ weekday: 'long' })
const DAY = new Intl.DateTimeFormat('en-CA', { timeZone: ZONE })
const A_DAY = 86_400_000

export const clock = (at) => CLOCK.format(new Date(at))
export const clockWithSeconds = (at) => SECONDS.format(new Date(at))

/** 今天 is the clock alone, then 昨天, the weekday, the date. */
export function chatTime(at, now = Date.now()) {
  const day = (t) => Date.parse(DAY.format(new Date(t)))
  const ago = Math.round((day(now) - day(at)) / A_DAY)
  if (ago <= 0) return clock(at)
  if (ago === 1) return `昨天 ${clock(at)}`
  if (ago < 7) return `${WEEKDAY.format(new Date(at))} ${clock(at)}`
  return `${DATE.format(new Date(at))} ${clock(at)}`
}

export const yuan = (fen) => `${fen < 0 ? '-' : ''}¥${(Math.abs(fen) / 100).toFixed(2)}`

export function bytes(n) {
  const gb = n / 2 ** 30
  return gb >= 1 ? `${gb.toFixed(1)} GB` : `${Math.round(n / 2 ** 20)} MB`
}

export const phoneNumber = (digits) => digits.replace(/^(\d{3})(\d{4})(\d{4})$/, '$1 $2 $3')

/** The code of a short message, or ''. */
export const codeIn = (text) => /(?<!\d)\d{6}(?!\d)/.exec(text)?.[0] ?? ''

const BARE_LINK = /https?:\/\/[^\s一-龥，。；！？、（）《》「」<>"']+/g

/** The pieces of a text: what the sandbox read as links, and bare addresses. */
export function spansOf(bubble) {
  const spans = bubble.spans ?? [{ text: bubble.text ?? '' }]
  return spans.flatMap((span) => (span.href || span.say || span.appId ? [span] : linked(span.text)))
}

function linked(text) {
  const pieces = []
  let from = 0
  for (const found of text.matchAll(BARE_LINK)) {
    if (found.index > from) pieces.push({ text: text.slice(from, found.index) })
    pieces.push({ text: found[0], href: found[0] })
    from = found.index + found[0].length
  }
  if (from < text.length) pieces.push({ text: text.slice(from) })
  return pieces
}

/** Only addresses of the web are opened; javascript: and the like are words. */
export const isWeb = (href) => /^https?:\/\//i.test(href ?? '')
