// The mini-program when things do not go as they should, in a real browser on the real
// demo: answers that get lost, parts that fail, envelopes that end before one's eyes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { browser, demo, page, skip } from './stage.mjs'

const mini = () => page.locator('.mini')
const button = (name, within = mini()) => within.getByRole('button', { name, exact: true })
const tab = (name) => button(name, mini().getByRole('navigation', { name: '小程序' })).click()
const toast = (text) => page.locator('.toast', { hasText: text }).waitFor()

/** Calls the application as a persona's own phone would; answers what it says. */
async function calls(token, method, url, body) {
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID(), ...(token && { Authorization: `Bearer ${token}` }) }
  const answer = await fetch(demo.base + url, { method, headers, body: body && JSON.stringify(body) })
  assert.ok(answer.ok, `${url} answered ${answer.status}`)
  return answer.status === 204 ? null : answer.json()
}

/** A persona who has signed in and bound his number: his access token. */
async function member(id) {
  const { code } = await calls('', 'POST', `/sandbox/control/personas/${id}/login-code`, {})
  const { accessToken } = await calls('', 'POST', '/api/v1/session', { code })
  const phone = await calls('', 'POST', `/sandbox/control/personas/${id}/phone-code`, {})
  await calls(accessToken, 'POST', '/api/v1/session/phone', { code: phone.code })
  return accessToken
}

/** Opens the mini-program on a persona's phone, at its first page. */
async function openAs(name) {
  await page.unrouteAll() // of a step that failed
  await page.goto(demo.base)
  await page.locator('.people').getByRole('button', { name }).first().click()
  const follow = page.getByRole('button', { name: '关注公众号' }).first()
  await follow.or(page.locator('.row[data-from=account]').first()).first().waitFor()
  if (await follow.isVisible()) await follow.click()
  await page.locator('.row[data-from=account]').first().waitFor()
  await button('办理', page.getByRole('navigation')).click()
  await button('充值', page.getByRole('group', { name: '办理' })).click()
  await mini().waitFor()
  await button('返回上一页').click()
}

/** Opens the latest envelope of a persona on his phone. */
async function openPotOf(name) {
  await openAs(name)
  await tab('红包')
  await mini().getByRole('list', { name: '我开启的红包' }).getByRole('button').first().click()
  await button('发给好友看看').waitFor()
}

/** Lets the server act on each write to an address, and loses its answers until ended. */
async function loseAnswers(url) {
  await page.route(url, async (route) => {
    if (route.request().method() === 'POST') await route.fetch()
    return route.request().method() === 'POST' ? route.abort() : route.continue()
  })
  return () => page.unroute(url)
}

/** Changes what the server answers to a GET until ended. */
async function rewrite(url, change) {
  await page.route(url, async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: change(await answer.json()) })
  })
  return () => page.unroute(url)
}

test('the mini-program in bad weather', { skip: skip || false }, async (t) => {
  const owner = await member('ordinary')

  await t.test('exchanges once when the answer is lost and the sheet was closed', async () => {
    await openAs(/张北北/)
    await tab('积分商城')
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    const heal = await loseAnswers('**/api/v1/redemptions')
    await button('立即兑换').click()
    await button('确认兑换').click()
    await toast('网络不太好')
    await heal()
    await button('再想想').click()
    await button('返回上一页').click()
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    await button('立即兑换').click()
    await button('确认兑换').click()
    await mini().locator('.done').waitFor()
    const { items } = await calls(owner, 'GET', '/api/v1/redemptions')
    assert.equal(items.length, 1)
  })

  await t.test('exchanges once when the answer is lost and the page was loaded anew', async () => {
    await openAs(/张北北/)
    await tab('积分商城')
    await mini().getByRole('button', { name: /咖啡中杯券/ }).click()
    const heal = await loseAnswers('**/api/v1/redemptions')
    await button('立即兑换').click()
    await button('确认兑换').click()
    await toast('网络不太好')
    await heal()
    await page.reload()
    await button('立即兑换').click()
    await button('确认兑换').click()
    await mini().locator('.done').waitFor()
    const { items } = await calls(owner, 'GET', '/api/v1/redemptions')
    assert.equal(items.filter((r) => r.title === '咖啡中杯券').length, 1)
    assert.equal(await page.evaluate(() => sessionStorage.getItem('kaimenhong.mini.unsure.ordinary')), null, 'what became of it is known')
  })

  await t.test('goes back a page with the browser, and stays where it is when loaded anew', async () => {
    const at = (name) => page.locator(`.mini[data-page=${name}]`).waitFor()
    await openAs(/张北北/)
    await tab('积分商城')
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    await button('立即兑换').waitFor()
    await page.reload()
    await button('立即兑换').waitFor()
    assert.equal(page.url(), `${demo.base}/phone/`)
    await page.goBack()
    await at('mall')
    await page.goForward()
    await at('gift')
    await button('返回上一页').dblclick()
    await at('mall')
    await button('兑换记录').click()
    await at('redemptions')
    await button('关闭小程序').click()
    await mini().waitFor({ state: 'detached' })
    await page.reload()
    await page.getByLabel('输入消息').or(button('切换到键盘', page)).first().waitFor()
    assert.equal(await mini().count(), 0, 'what was closed is open again')
    await openAs(/张北北/)
    await tab('我的')
    await page.goBack()
    await mini().waitFor({ state: 'detached' })
    await page.locator('.row[data-from=account]').first().waitFor()
  })

  await t.test('says how the money is paid before the yes', async () => {
    await openAs(/张北北/)
    await tab('积分商城')
    await rewrite(/\/api\/v1\/points$/, (points) => ({ ...points, available: 5000 }))
    await mini().getByRole('button', { name: /10GB 流量月包/ }).click()
    await button('立即兑换').click()
    await page.getByRole('dialog', { name: '确认兑换' }).getByText('¥9.90 计入话费账单，办理成功才收取').waitFor()
  })

  await t.test('opens one envelope when the answer is lost and the page was left', async () => {
    await openAs(/张北北/)
    await tab('红包')
    const heal = await loseAnswers(/\/api\/v1\/campaigns\/\d+\/pots$/)
    await mini().getByRole('list', { name: '进行中的活动' }).getByRole('button', { name: /《回家》红包/ }).click()
    await button('开启我的红包').click()
    await toast('网络不太好')
    await heal()
    await button('返回上一页').click()
    await mini().getByRole('list', { name: '进行中的活动' }).getByRole('button', { name: /《回家》红包/ }).click()
    await button('开启我的红包').click()
    await mini().getByText('正好 3 位好友').waitFor()
    const { items } = await calls(owner, 'GET', '/api/v1/me/pots')
    assert.equal(items.length, 1)
  })

  await t.test('says 不限量 where the data has no limit', async () => {
    await member('unlimited')
    await openAs(/孙总/)
    await mini().locator('.data-left').waitFor()
    assert.match(await mini().locator('.data-left').innerText(), /不限量/)
  })

  await t.test('leads on from an exchange that was refused', async () => {
    await openAs(/李小满/)
    await tab('积分商城')
    await rewrite(/\/api\/v1\/points$/, (points) => ({ ...points, available: 5000 }))
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    await button('立即兑换').click()
    await button('确认兑换').click()
    await mini().getByText('请先绑定手机号').waitFor()
    await button('去绑定手机号').click()
    await button('一键绑定手机号').waitFor()

    await tab('积分商城')
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    await button('立即兑换').click()
    await page.route(/\/api\/v1\/redemptions$/, (route) => route.fulfill({ status: 409, json: { status: 409, code: 'mall.sold_out', detail: '该礼品已兑完，看看其他礼品吧' } }))
    await rewrite(/\/api\/v1\/gifts\/\d+$/, (gift) => ({ ...gift, left: 0 }))
    await button('确认兑换').click()
    await button('已兑完').waitFor()
    await mini().getByText('看看其他礼品吧').waitFor()
    assert.equal(await page.getByRole('dialog', { name: '确认兑换' }).count(), 0, 'what cannot be had is asked for once more')
  })

  await t.test('looks again at every exchange that is under way', async () => {
    const { items } = await calls(owner, 'GET', '/api/v1/gifts?limit=100')
    const box = items.find((g) => g.kind === 'physical')
    await calls(owner, 'POST', '/api/v1/redemptions', { giftId: box.id, address: { name: '张北北', phone: '13800138001', text: '广州市天河区体育西路 1 号' } })
    const heal = await rewrite(/\/api\/v1\/redemptions\?/, (list) => ({ ...list, items: list.items.map((r) => (r.kind === 'carrier' ? { ...r, status: 'working' } : r)) }))
    await openAs(/张北北/)
    await tab('积分商城')
    await button('兑换记录').click()
    await mini().locator('[data-status=accepted]').getByText('新春福字礼盒').waitFor()
    await mini().locator('[data-status=fulfilled]').getByText('1GB 流量日包').waitFor({ timeout: 60_000 })
    await heal()
  })

  await t.test('says that the account could not be shown, and offers another try', async () => {
    await openAs(/张北北/)
    const me = /\/api\/v1\/me$/
    await page.route(me, (route) => route.fulfill({ status: 500, contentType: 'application/problem+json', body: '{"status":500,"code":"internal","detail":"系统开小差了，请稍后再试"}' }))
    await tab('我的')
    await mini().getByText('系统开小差了').waitFor()
    assert.equal(await mini().getByText('微信用户').count(), 0, 'a member with a number is told of as one without')
    await page.unroute(me)
    await button('重试').click()
    await button('我的账单').waitFor()
  })

  await t.test('writes what a bill takes off, and what is owed, with the sign before the money', async () => {
    await openAs(/张北北/)
    const off = [{ name: '账务调整', amountFen: -50 }, { name: '账务调整', amountFen: -1200 }]
    await rewrite(/\/api\/v1\/me\/bills/, (bills) => ({ ...bills, bills: [{ ...bills.bills[0], totalFen: -1250, dueFen: 0, items: off }] }))
    await rewrite(/\/api\/v1\/me$/, (me) => ({ ...me, balance: { ...me.balance, availableFen: -1230, arrearsFen: 1230 } }))
    await tab('我的')
    await button('我的账单').click()
    await mini().locator('.total').waitFor()
    assert.deepEqual(await mini().locator('.total, li span:last-child').allInnerTexts(), ['-¥12.50', '-¥0.50', '-¥12.00'])
    await button('返回上一页').click()
    await tab('首页')
    assert.equal(await mini().locator('.balance').innerText(), '-¥12.30')
    await button('怎么充值').click()
    await mini().getByText('-¥12.30', { exact: true }).waitFor()
  })

  await t.test('shows every message, not the latest five alone', async () => {
    await openAs(/张北北/)
    const heal = await rewrite(/\/api\/v1\/notices\?/, () => ({
      items: Array.from({ length: 5 }, (_, i) => ({ id: String(9 - i), topic: 'test', body: `消息 ${9 - i}`, read: false, at: '2026-01-01T00:00:00+08:00' })), next: '5',
    }))
    await tab('我的')
    await mini().getByText('消息 9').waitFor()
    await heal()
    await rewrite(/\/api\/v1\/notices\?.*cursor=5/, () => ({ items: [{ id: '4', topic: 'test', body: '消息 4', read: false, at: '2026-01-01T00:00:00+08:00' }] }))
    await button('看更多').click()
    await mini().getByText('消息 4').waitFor()
    await page.unroute(/\/api\/v1\/notices\?.*cursor=5/)
  })

  await t.test('has the complaint where the rules say that it is', async () => {
    await openPotOf(/张北北/)
    const rules = mini().getByRole('region', { name: '完整规则' })
    await rules.getByText('红包页底部“投诉”').waitFor()
    assert.ok((await button('投诉').boundingBox()).y > (await rules.boundingBox()).y, 'it stands above the rules')
  })

  await t.test('tells the owner that the time is over', async () => {
    await openPotOf(/张北北/)
    await button('发给好友看看').click()
    const sheet = page.getByRole('dialog', { name: '发送给朋友' })
    await sheet.waitFor()
    const heal = await rewrite(/\/api\/v1\/pots\/\d+$/, (pot) => ({ ...pot, secondsLeft: 0 }))
    await mini().getByText('时间到了').waitFor()
    assert.equal(await sheet.count(), 0, 'an envelope that is over is passed on to nobody')
    assert.equal(await button('不能助力').count(), 0, 'the owner is told of a help')
    await heal()
    await button('发给好友看看').waitFor()
  })

  await t.test('says that a prize could not be taken, and looks again', async () => {
    await openPotOf(/张北北/)
    const won = { potId: '1', kind: 'data', valueFen: 1000, quantity: 5120, status: 'created', needBind: true, at: '2026-01-01T00:00:00+08:00' }
    const heal = await rewrite(/\/api\/v1\/pots\/\d+$/, (pot) => ({ ...pot, status: 'filled', prize: won }))
    await button('绑定并领取').click()
    await page.route(/\/claim$/, (route) => route.abort())
    await heal()
    await button('允许', page.getByRole('dialog', { name: '申请获取并验证你的手机号' })).click()
    await toast('网络不太好')
    await button('发给好友看看').waitFor()
    await page.unroute(/\/claim$/)
  })

  await t.test('keeps the running clock out of what a screen reader is told', async () => {
    await openPotOf(/张北北/)
    await mini().locator('.left').waitFor()
    assert.equal(await mini().locator('[role=status] .left').count(), 0)
  })

  await t.test('puts the keyboard on the page that was opened', async () => {
    await openPotOf(/张北北/)
    await button('公平性验证').click()
    await mini().getByText('开启时就公示的').waitFor()
    assert.ok(await page.evaluate(() => document.querySelector('.mini').contains(document.activeElement)))
    await page.keyboard.press('Escape')
    await mini().waitFor({ state: 'detached' })
  })

  await t.test('shows no ranks of one list under the name of the other', async () => {
    await openAs(/张北北/)
    await tab('红包')
    await mini().getByRole('list', { name: '进行中的活动' }).getByRole('button', { name: /《回家》红包/ }).click()
    const heal = await rewrite(/leaderboard\?by=most_helped/, (board) => ({ ...board, items: [{ rank: 1, name: '热心用户', isMe: false, helps: 3 }] }))
    await button('排行榜').click()
    await mini().getByText('3 次助力').waitFor()
    await page.route(/leaderboard\?by=fastest/, (route) => route.abort())
    await mini().getByRole('tab', { name: '凑满最快' }).click()
    await mini().getByText('网络不太好').waitFor()
    assert.equal(await mini().getByRole('list', { name: '排名' }).getByRole('listitem').count(), 0)
    await page.unroute(/leaderboard\?by=fastest/)
    await heal()
  })

  await t.test('keeps within the screen whatever a thing is called', async () => {
    await openAs(/张北北/)
    const titled = ({ items, ...rest }) => ({ ...rest, items: items.map((one) => ({ ...one, title: 'W'.repeat(64) })) })
    await rewrite(/\/api\/v1\/(gifts\?|campaigns$)/, titled)
    for (const name of ['积分商城', '红包']) {
      await tab(name)
      await mini().getByText('W'.repeat(64)).first().waitFor()
      assert.equal(await mini().locator('.inside').evaluate((page) => page.scrollWidth - page.clientWidth), 0, `${name} is wider than the screen`)
    }
  })

  await t.test('says of the leaderboard whom it names', async () => {
    await openAs(/张北北/)
    await tab('红包')
    await mini().getByRole('list', { name: '进行中的活动' }).getByRole('button', { name: /《回家》红包/ }).click()
    const heal = await rewrite(/leaderboard/, (board) => ({ ...board, items: [{ rank: 1, name: '热心用户', isMe: false, helps: 3 }] }))
    await button('排行榜').click()
    await mini().getByText('3 次助力').waitFor()
    await mini().getByText('其他人显示为“热心用户”').waitFor()
    await heal()
  })

  await t.test('exchanges anew after a lost exchange was seen among the exchanges', async () => {
    const packs = async () => (await calls(owner, 'GET', '/api/v1/redemptions')).items.filter((r) => r.title === '1GB 流量日包').length
    const had = await packs()
    await openAs(/张北北/)
    await tab('积分商城')
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    const heal = await loseAnswers('**/api/v1/redemptions')
    await button('立即兑换').click()
    await button('确认兑换').click()
    await toast('网络不太好')
    await heal()
    await button('再想想').click()
    await button('返回上一页').click()
    await button('兑换记录').click()
    await mini().getByText('1GB 流量日包').nth(had).waitFor()
    await button('返回上一页').click()
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    await button('立即兑换').click()
    await button('确认兑换').click()
    await mini().locator('.done').waitFor()
    assert.equal(await packs(), had + 2)
  })

  await t.test('broke nowhere', () => assert.deepEqual(browser.problems.filter((p) => p.startsWith('error:')), []))
})
