// How the pages of the envelopes speak of them.

import { shortYuan } from '../words.js'

export const statuses = { open: '助力中', filled: '已凑满', closed: '已截止' }

/** What a winner is told of his prize on its way. */
export const prizeSteps = {
  created: '等待发放',
  reviewing: '正在审核，通过后自动发放',
  paying: '正在发放',
  paid: '已到账',
  failed: '发放没有成功，客服会联系你',
  released: '未能发放',
}

/** Prizes about which nothing more happens by itself soon. */
export const settled = (prize) => ['reviewing', 'paid', 'failed', 'released'].includes(prize?.status)

const list = (amounts) => {
  const counts = new Map()
  for (const a of amounts) counts.set(a, (counts.get(a) ?? 0) + 1)
  return [...counts].map(([fen, n]) => `${shortYuan(fen)} 元${n > 1 ? ` × ${n}` : ''}`)
}

/** The amount of each help, sorted, as it stands on the first screen. */
export const sharesIn = list

/** What an envelope of the campaign gives, in words: the least where there are several. */
export function prizeOf(campaign) {
  const { kind, perYuan } = campaign.prize
  const least = Math.min(...campaign.targetsFen)
  const said = wonText({ kind, quantity: kind === 'phone_credit' ? least : (least * perYuan) / 100 })
  return campaign.targetsFen.length > 1 ? `${said} 起` : said
}

/** What was won, in words; of an envelope that ended early less than it would have given. */
export function wonText({ kind, quantity }) {
  if (kind === 'data') return megabytes(quantity)
  if (kind === 'points') return `${quantity} 积分`
  return `${shortYuan(quantity)} 元话费`
}

const megabytes = (mb) => (mb % 1024 ? `${mb} MB 流量` : `${mb / 1024} GB 流量`)

export const unfilledText = {
  nothing: '到期没凑满，红包作废，不发奖励',
  collected: '到期没凑满，发放已凑到的份额',
}

/** How much is left of the time, each second anew: 3 小时 05 分 09 秒. */
export function clock(seconds) {
  const two = (n) => String(n).padStart(2, '0')
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return h ? `${h} 小时 ${two(m)} 分 ${two(s)} 秒` : `${m} 分 ${two(s)} 秒`
}
