// How gifts and redemptions are worded.

import { day, number, shortYuan } from './words.js'

export const kinds = {
  carrier: { name: '运营商权益', icon: 'signal', how: '兑换后自动充到绑定的手机号，一般几分钟内到账' },
  coupon: { name: '券码', icon: 'ticket', how: '兑换后立即得到券码，可在兑换记录里查看' },
  card: { name: '小程序权益', icon: 'mini', how: '兑换后在对应的小程序里使用' },
  physical: { name: '实物', icon: 'truck', how: '填写收货地址后寄出，可在兑换记录里查看进度' },
}

/** The states of a redemption: a word, and what comes next. */
export const states = {
  paying: { name: '待支付', hint: '积分已预留，支付后发放；半小时内未支付会自动退回', open: true },
  accepted: { name: '已受理', hint: '正在为你准备', open: true },
  submitting: { name: '办理中', hint: '正在提交给运营商', open: true },
  working: { name: '办理中', hint: '运营商正在办理', open: true },
  unknown: { name: '确认中', hint: '运营商还没有回复结果，我们正在核对，不会重复扣除', open: true },
  shipped: { name: '已寄出', hint: '包裹在路上', open: false },
  fulfilled: { name: '已完成', hint: '', open: false },
  failed: { name: '未成功', hint: '积分已按原有效期退回', open: false },
  cancelled: { name: '已取消', hint: '积分已按原有效期退回', open: false },
}

export const price = (g) => `${number(g.points)} 积分${g.priceFen ? ` + ¥${shortYuan(g.priceFen)}` : ''}`

/** How the money is paid that a gift costs beside its points, in words. */
export const payment = (g) => ({ bill: `¥${shortYuan(g.priceFen)} 计入话费账单，办理成功才收取`, order: '下单后半小时内支付' })[g.payBy] ?? ''

/** Who may have a gift and how often, in words. */
export function conditions(g) {
  return [
    payment(g),
    g.tier ? `限${g.tierName || `${g.tier} 级`}及以上会员` : '所有会员',
    g.limitEach ? `每人限兑 ${g.limitEach} 次` : '不限次数',
    g.endsAt ? `${day(g.endsAt)}前可兑` : '',
    g.cancellable ? '发放前可取消' : '兑换后不可取消',
  ].filter(Boolean)
}
