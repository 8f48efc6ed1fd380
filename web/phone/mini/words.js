// How the mini-program writes numbers, amounts and days, in Beijing time.

const part = (options) => new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', hourCycle: 'h23', ...options })
const DAY = part({ year: 'numeric', month: 'long', day: 'numeric' })
const MOMENT = part({ month: 'long', day: 'numeric', hour: '2-digit', minute: '2-digit' })
const FAR = part({ year: 'numeric', month: 'long', day: 'numeric', hour: '2-digit', minute: '2-digit' })
const YEAR = part({ year: 'numeric' })
const MONTH = part({ year: 'numeric', month: 'long' })

export const day = (at) => DAY.format(new Date(at))
/** A moment as one reads it, with its year when that is not the present one. */
export const moment = (at, now = Date.now()) => {
  const [told, present] = [at, now].map((t) => YEAR.format(new Date(t)))
  return (told === present ? MOMENT : FAR).format(new Date(at))
}
/** Of which month something is that was told at an instant: 本月, or 10月 when that is over. */
export const ofMonth = (at, now) => {
  const [told, present] = [at, now].map((t) => MONTH.format(new Date(t)))
  return told === present ? '本月' : told.slice(told.indexOf('年') + 1)
}
/** 2026-10 and 2026-10-03 as one reads them. */
export const month = (m) => `${m.slice(0, 4)}年${Number(m.slice(5, 7))}月`
export const shortDay = (d) => `${Number(d.slice(5, 7))}/${Number(d.slice(8, 10))}`
export const number = (n) => new Intl.NumberFormat('zh-CN').format(n)
/** Money with its sign before the ¥, as an amount that may be taken off is written. */
export const money = (fen) => `${fen < 0 ? '-' : ''}¥${yuan(Math.abs(fen))}`
export const yuan = (fen) => `${fen < 0 ? '-' : ''}${(Math.abs(fen) / 100).toFixed(2)}`
/** Money as the account writes it, too: 5, 0.50, 12.34. */
export const shortYuan = (fen) => (fen % 100 ? (fen / 100).toFixed(2) : String(fen / 100))
export const signed = (n) => (n > 0 ? `+${number(n)}` : number(n))

/** An amount of an allowance in parts, {value, unit}. */
export function quantity(n, unit) {
  if (unit === 'second') return { value: number(Math.floor(n / 60)), unit: '分钟' }
  if (unit === 'message') return { value: number(n), unit: '条' }
  if (n >= 2 ** 30) return { value: String(Number((n / 2 ** 30).toFixed(2))), unit: 'GB' }
  return { value: number(Math.round(n / 2 ** 20)), unit: 'MB' }
}
export const said = (n, unit) => {
  const q = quantity(n, unit)
  return `${q.value}${q.unit}`
}

/** How long something still lasts, in words. */
export function left(ms) {
  const minutes = Math.ceil(ms / 60_000)
  if (minutes <= 0) return '已结束'
  if (minutes < 60) return `${minutes} 分钟`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} 小时 ${minutes % 60} 分`
  return `${Math.floor(hours / 24)} 天 ${hours % 24} 小时`
}
