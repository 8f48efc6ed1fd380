// What is written on the pages of the mini-program stands out from its ground, by day
// and by night, in a real browser on the real demo.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { browser, demo, page, skip } from './stage.mjs'

const LEAST = 4.5 // of WCAG 2.2, AA
const LEAST_LARGE = 3 // from 24 px, or bold from 18.66 px

const mini = () => page.locator('.mini')
const button = (name, within = mini()) => within.getByRole('button', { name, exact: true })
const tab = (name) => button(name, mini().getByRole('navigation', { name: '小程序' })).click()
const back = () => button('返回上一页').click()

/** The words within a place that stand out too little: [{text, ratio}]. */
function pale(root, [least, leastLarge]) {
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const light = (rgb) => rgb.slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
  const over = (top, under) => under.map((c, i) => (i < 3 ? top[i] * (top[3] ?? 1) + c * (1 - (top[3] ?? 1)) : 1))
  /** Every ground that may lie under an element: of a gradient each of its stops. */
  const grounds = (el) => {
    const veils = []
    for (let e = el; e; e = e.parentElement) {
      const { backgroundColor, backgroundImage } = getComputedStyle(e)
      const stops = (backgroundImage.match(/rgba?\([^)]*\)/g) ?? []).map(numbers).filter((s) => (s[3] ?? 1) === 1)
      const own = numbers(backgroundColor)
      const solid = stops.length ? stops : (own[3] ?? 1) === 1 ? [own] : []
      if (solid.length) return solid.map((s) => veils.reduceRight((under, veil) => over(veil, under), [...s.slice(0, 3), 1]))
      if (own[3]) veils.push(own)
    }
    return [[255, 255, 255, 1]]
  }
  const found = []
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const el = node.parentElement
    const style = getComputedStyle(el)
    const off = el.closest('.gold:disabled, [aria-hidden=true], svg, .out')
    if (!node.data.trim() || off || style.visibility === 'hidden' || !el.getClientRects().length) continue
    const size = parseFloat(style.fontSize)
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
    const ratios = grounds(el).map((ground) => {
      const [a, b] = [light(over(numbers(style.color), ground)), light(ground)].sort((x, y) => y - x)
      return (a + 0.05) / (b + 0.05)
    })
    const ratio = Math.min(...ratios)
    if (ratio < (large ? leastLarge : least)) found.push({ text: node.data.trim().slice(0, 20), ratio: ratio.toFixed(2) })
  }
  return found
}

test('words stand out from their ground', { skip: skip || false }, async (t) => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await page.goto(demo.base)
  await page.locator('.row[data-from=account]').first().waitFor()
  await button('办理', page.getByRole('navigation')).click()
  await button('充值', page.getByRole('group', { name: '办理' })).click()
  await button('去绑定手机号').click()
  await button('一键绑定手机号').click()
  await button('允许').click()
  await mini().locator('.points-left').getByText('100', { exact: true }).waitFor() // what the binding gives, which buys the gift below
  await button('签到').click()

  for (const scheme of ['light', 'dark']) {
    await t.test(`when the phone is ${scheme}`, async () => {
      await page.emulateMedia({ colorScheme: scheme })
      const all = []
      const look = async (name, ready) => {
        await ready.first().waitFor()
        await mini().evaluate((el) => Promise.allSettled(el.getAnimations({ subtree: true }).map((a) => a.finished))) // a colour on its way is none yet
        const found = await mini().evaluate(pale, [LEAST, LEAST_LARGE])
        all.push(...found.map((f) => `${name}: ${f.text} ${f.ratio}`))
      }
      const opened = async (name, ready) => {
        await look(name, ready)
        await back()
      }
      assert.equal(await mini().evaluate((el) => getComputedStyle(el).colorScheme), scheme === 'dark' ? 'dark' : 'normal')
      await tab('首页')
      await look('home', mini().locator('.data-left'))
      await mini().locator('.to-points').click()
      await opened('points', mini().getByText('连续签到第1天'))
      await button('怎么充值').click()
      await opened('topup', mini().getByText('在线支付暂未开通'))
      await tab('积分商城')
      await look('mall', mini().locator('.gift'))
      await mini().getByRole('button', { name: /新春福字礼盒|1GB 流量日包/ }).first().click()
      await look('gift', mini().locator('dl'))
      await button('立即兑换').click()
      await look('confirm', page.getByRole('dialog', { name: '确认兑换' }))
      await button('再想想').click()
      await back()
      await button('兑换记录').click()
      await opened('redemptions', mini().locator('.none, [data-status]'))
      await tab('我的')
      await look('mine', mini().getByRole('switch'))
      await button('注销账户').click()
      await look('close', page.getByRole('dialog', { name: '注销账户？' }))
      await button('暂不注销').click()
      for (const [label, ready] of [['我的账单', '.total'], ['每日用量', '.curve, .soft'], ['我的业务', '.card b, .card strong']]) {
        await button(label).click()
        await opened(label, mini().locator(ready))
      }
      await tab('红包')
      await look('envelopes', mini().locator('.packet'))
      await mini().getByRole('button', { name: /《回家》红包/ }).first().click()
      await look('campaign', mini().locator('.rules'))
      if (await button('开启我的红包').isEnabled().catch(() => false)) await button('开启我的红包').click()
      else {
        await back()
        await mini().getByRole('list', { name: '我开启的红包' }).getByRole('button').first().click()
      }
      await look('pot', mini().locator('.shares'))
      await button('投诉').click()
      await page.getByRole('radio', { name: '其他' }).click()
      await look('complaint', page.getByRole('dialog', { name: '投诉' }))
      await page.keyboard.press('Escape')
      await button('公平性验证').click()
      await opened('proof', mini().locator('.facts'))
      await button('排行榜').click()
      await opened('board', mini().locator('p.soft'))
      await back()
      await page.locator('.mini:not([data-page=pot])').waitFor()
      if (await button('返回上一页').count()) await back() // from the campaign
      assert.deepEqual(all, [])
    })
  }
  await t.test('broke nowhere', () => assert.deepEqual(browser.problems.filter((p) => p.startsWith('error:')), []))
})
