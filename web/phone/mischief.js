// The mischiefs of the panel, in the sandbox's words. A standing one has a point
// and a fault, or a chaos; it is on when the sandbox says so.

export const standing = [
  { id: 'slow', name: '运营商变慢 6 秒', hint: '等不到新数就给旧数，并说明是几点的', point: 'carrier', fault: { kind: 'delay', delayMs: 6000 } },
  { id: 'down', name: '运营商宕机', hint: '有旧数就说明时间，没有就直说，不瞎猜', point: 'carrier', fault: { kind: 'status', status: 503 } },
  { id: 'flaky', name: '运营商时好时坏', hint: '一半的查询会失败，看它重试', point: 'carrier', fault: { kind: 'status', status: 500, probability: 0.5 } },
  { id: 'quota', name: '客服消息被拒 45015', hint: '补发的消息会被微信挡下：超过 48 小时没有互动', point: 'wechat.custom_send', fault: { kind: 'errcode', errcode: 45015 } },
  { id: 'sms', name: '短信网关宕机', hint: '绑定时收不到验证码', point: 'sms.send', fault: { kind: 'status', status: 503 } },
  { id: 'twice', name: '消息重复推送', hint: '每条消息同时来三份，只应答一次', chaos: { trick: 'duplicate', copies: 3 } },
]

export const forgeries = {
  signature: '签名不对', no_signature: '没有签名', token: '令牌不对', stale: '一天前的旧消息', appid: '别家的 AppID', padding: '填充不对',
  truncated: '密文被截断', bit_flip: '密文被改一位', plaintext: '安全模式下发明文', plaintext_claims_plain: '冒充明文模式',
  huge: '超大的消息', nested: '套了五千层', not_xml: '不是 XML', empty: '空的',
}

/** Whether the fault that stands at the point is this one. */
export const stands = (m, faults) =>
  faults.some((f) => f.kind === m.fault.kind && (f.errcode ?? 0) === (m.fault.errcode ?? 0) && (f.probability || 1) === (m.fault.probability ?? 1))
