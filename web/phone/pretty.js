// Bodies of the inspector, made readable. What cannot be read is shown as it came.

const MAX = 20_000 // letters that are worked on

/** XML of messages, one element a line; text and CDATA stay on their element's line. */
export function prettyXML(raw) {
  const tokens = raw.slice(0, MAX).match(/<!\[CDATA\[[\s\S]*?\]\]>|<[^>]*>|[^<]+/g)
  if (!tokens || tokens.join('') !== raw) return raw
  let out = ''
  let depth = 0
  let before = '' // open, close, words
  for (const t of tokens) {
    if (!t.startsWith('<') || t.startsWith('<![CDATA[')) {
      if (t.trim() === '' && before !== 'words') continue
      out += t
      before = 'words'
      continue
    }
    const closes = t.startsWith('</')
    if (closes) depth = Math.max(0, depth - 1)
    const inline = closes && before !== 'close'
    if (!inline && out) out += `\n${'  '.repeat(depth)}`
    out += t
    if (!closes && !/^<[?!]|\/>$/.test(t)) depth++
    before = closes || t.endsWith('/>') ? 'close' : 'open'
  }
  return out
}

export function pretty(raw) {
  const text = raw.trim()
  if (text.startsWith('<')) return prettyXML(text)
  if (text.startsWith('{') || text.startsWith('[')) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2)
    } catch {
      return text
    }
  }
  return text
}

/** The query of a call, one parameter a line. */
export const prettyQuery = (query) => [...new URLSearchParams(query)].map(([k, v]) => `${k} = ${v}`).join('\n')

const NAMES = {
  text: '文字消息', image: '图片消息', voice: '语音消息', video: '视频消息', shortvideo: '小视频', location: '位置消息', link: '链接消息',
  'event.subscribe': '关注', 'event.unsubscribe': '取消关注', 'event.SCAN': '扫码', 'event.CLICK': '点击菜单', 'event.VIEW': '菜单打开网页',
  'event.view_miniprogram': '菜单打开小程序', 'event.LOCATION': '上报位置', 'event.TEMPLATESENDJOBFINISH': '模板消息送达',
  custom_send: '发客服消息', custom_typing: '正在输入', menu: '菜单', stable_token: '取令牌', token: '取令牌', template_send: '发模板消息',
  subscribe_send: '发订阅消息', bizsend: '发订阅通知', mass_send: '群发', media: '上传素材', material: '永久素材', qrcode: '二维码', user_info: '用户资料',
  user_list: '关注者列表', template: '模板列表', quota: '接口额度', code2session: '小程序登录', phone_number: '取手机号', wxacode: '小程序码',
}
export const exchangeName = (x) => NAMES[x.name] ?? x.name

const OUTCOMES = {
  'nothing said': '已收下，没有即时回复', 'answer ignored': '已收下', answered: '已应答', cut: '连接被切断', refused: '已拒绝',
  'text shown': '回复文字', 'news shown': '回复图文', 'image shown': '回复图片', 'transfer_customer_service shown': '转人工',
  'no answer: 5 s are over': '5 秒没有应答',
}

/** What came of it: the words, and whether it went as it should. */
export function outcomeOf(x) {
  const bad = /^(no answer|status|answer refused|accepted|cut)/.test(x.outcome) || x.status === 0
  let text = OUTCOMES[x.outcome] ?? x.outcome
  if (x.outcome.startsWith('status ')) text = `状态码 ${x.status}`
  if (x.outcome.startsWith('accepted')) text = '竟被接受'
  if (x.outcome.startsWith('no answer') && !OUTCOMES[x.outcome]) text = '没有应答'
  if (x.outcome.startsWith('answer refused')) text = '回复有误'
  const code = x.kind === 'api' && /"errcode":\s*(-?\d+)/.exec(x.answer ?? '')?.[1]
  if (code && code !== '0') return { text: `errcode ${code}`, bad: true }
  return { text, bad }
}
