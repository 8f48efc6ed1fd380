// The small readers of the page.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, chatTime, codeIn, isWeb, phoneNumber, spansOf, yuan } from '../phone/format.js'
import { prizeOf, wonText } from '../phone/mini/pots/pots.js'
import { moment, ofMonth } from '../phone/mini/words.js'
import { outcomeOf, pretty, prettyXML } from '../phone/pretty.js'

const now = Date.parse('2026-11-22T09:00:00+08:00') // a Sunday in Beijing

test('times are told as WeChat tells them, in Beijing', () => {
  for (const [at, want] of [
    ['2026-11-22T05:26:00+08:00', '05:26'],
    ['2026-11-21T23:59:00+08:00', '昨天 23:59'],
    ['2026-11-18T08:00:00+08:00', '星期三 08:00'],
    ['2026-11-02T00:05:00+08:00', '11月2日 00:05'],
  ]) assert.equal(chatTime(Date.parse(at), now), want)
})

test('money, data and numbers read as people write them', () => {
  assert.equal(yuan(8652), '¥86.52')
  assert.equal(yuan(-4630), '-¥46.30')
  assert.equal(bytes(13314398618), '12.4 GB')
  assert.equal(bytes(200 * 2 ** 20), '200 MB')
  assert.equal(phoneNumber('13800138001'), '138 0013 8001')
})

test('what was told before a month ended is not of this month', () => {
  for (const [at, month] of [
    ['2026-11-01T00:00:00+08:00', '本月'],
    ['2026-10-31T23:59:59+08:00', '10月'],
    ['2025-11-30T12:00:00+08:00', '11月'],
  ]) assert.equal(ofMonth(at, now), month)
})

test('a moment of another year names its year', () => {
  for (const [at, want] of [
    ['2026-11-22T05:26:00+08:00', '11月22日 05:26'],
    ['2026-01-01T00:00:00+08:00', '1月1日 00:00'],
    ['2025-12-31T23:59:00+08:00', '2025年12月31日 23:59'],
    ['2027-02-21T08:00:00+08:00', '2027年2月21日 08:00'],
  ]) assert.equal(moment(at, now), want)
})

test('a code is six digits that stand alone', () => {
  assert.equal(codeIn('您的验证码是043424，5分钟内有效'), '043424')
  assert.equal(codeIn('请致电 13800138001'), '')
})

test('bare addresses become links, other schemes stay words', () => {
  assert.deepEqual(spansOf({ text: '看 https://a.cn/b?c=1，好' }), [
    { text: '看 ' }, { text: 'https://a.cn/b?c=1', href: 'https://a.cn/b?c=1' }, { text: '，好' },
  ])
  assert.deepEqual(spansOf({ spans: [{ text: '点我', href: 'javascript:1' }] }), [{ text: '点我', href: 'javascript:1' }])
  assert.equal(isWeb('javascript:1'), false)
})

test('XML is laid out without a change to what it holds', () => {
  assert.equal(
    prettyXML('<xml><A><![CDATA[一 <b> 二]]></A><B><item><C>1</C></item></B></xml>'),
    '<xml>\n  <A><![CDATA[一 <b> 二]]></A>\n  <B>\n    <item>\n      <C>1</C>\n    </item>\n  </B>\n</xml>',
  )
  for (const odd of ['<xml><a', 'success', '', '<<<>', '</a></b>']) assert.equal(pretty(odd).replace(/\s/g, ''), odd)
  assert.equal(pretty('{"a":1}'), '{\n  "a": 1\n}')
})

test('an outcome says whether it went as it should', () => {
  for (const [x, want] of [
    [{ kind: 'callback', status: 200, outcome: 'text shown' }, { text: '回复文字', bad: false }],
    [{ kind: 'callback', status: 0, outcome: 'no answer: 5 s are over' }, { text: '5 秒没有应答', bad: true }],
    [{ kind: 'forgery', status: 403, outcome: 'refused' }, { text: '已拒绝', bad: false }],
    [{ kind: 'api', status: 200, outcome: 'answered', answer: '{"errcode":45015}' }, { text: 'errcode 45015', bad: true }],
    [{ kind: 'api', status: 200, outcome: 'answered', answer: '{"errcode":0}' }, { text: '已应答', bad: false }],
  ]) assert.deepEqual(outcomeOf(x), want)
})

test('a prize is said as it was won, and a campaign by the least that it gives', () => {
  assert.equal(wonText({ kind: 'phone_credit', quantity: 350 }), '3.50 元话费')
  assert.equal(wonText({ kind: 'data', quantity: 2048 }), '2 GB 流量')
  assert.equal(wonText({ kind: 'data', quantity: 500 }), '500 MB 流量')
  assert.equal(wonText({ kind: 'points', quantity: 90 }), '90 积分')
  assert.equal(prizeOf({ targetsFen: [900], prize: { kind: 'phone_credit', perYuan: 0 } }), '9 元话费')
  assert.equal(prizeOf({ targetsFen: [10000, 900, 2000], prize: { kind: 'points', perYuan: 100 } }), '900 积分 起')
})
