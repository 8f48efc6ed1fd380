// The story of the mini-program, in a real browser on the real demo: a stranger
// follows, opens it, binds in one tap, signs in for points and redeems a gift.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { browser, demo, page, shot, skip } from './stage.mjs'

const mini = () => page.locator('.mini')
const button = (name, within = mini()) => within.getByRole('button', { name, exact: true })
const tab = (name) => button(name, mini().getByRole('navigation', { name: '小程序' })).click()
const number = async (place) => Number((await place.innerText()).replace(/[^\d.]/g, ''))
const persona = (id) => demo.control(`/personas/${id}`)
const gb = (bytes) => Number((bytes / 2 ** 30).toFixed(2))

async function openFromMenu() {
  await button('办理', page.getByRole('navigation')).click()
  await button('充值', page.getByRole('group', { name: '办理' })).click()
  await mini().waitFor()
}

test('the mini-program', { skip: skip || false }, async (t) => {
  await t.test('opens from the chat and binds in one tap', async () => {
    await page.goto(demo.base)
    await page.locator('.row[data-from=account]').first().waitFor()
    await openFromMenu()
    await button('去绑定手机号').click()
    await button('一键绑定手机号').click()
    await page.getByRole('dialog', { name: '申请获取并验证你的手机号' }).getByText('138****8001').waitFor()
    await button('允许').click()
    await mini().locator('.balance').waitFor()
    await mini().locator('.points-left').getByText('100', { exact: true }).waitFor() // what the binding gives
  })

  await t.test('shows what the carrier says on the first screen', async () => {
    const { balanceFen, dataLeftBytes, plan } = await persona('ordinary')
    assert.equal(await number(mini().locator('.balance')), balanceFen / 100)
    assert.equal(await number(mini().locator('.data-left')), gb(dataLeftBytes))
    await mini().getByText(plan).first().waitFor()
  })

  await t.test('marks the parts that fail and shows the others', async () => {
    const fault = { method: 'PUT', body: JSON.stringify([{ kind: 'status', status: 503 }]) }
    assert.ok((await fetch(`${demo.base}/sandbox/control/faults/carrier`, fault)).ok)
    await page.getByRole('button', { name: /李小满/ }).click()
    await page.getByRole('button', { name: '关注公众号' }).first().click()
    await page.locator('.row[data-from=account]').first().waitFor()
    await openFromMenu()
    await button('去绑定手机号').click()
    await button('一键绑定手机号').click()
    await button('允许').click()
    await mini().locator('.again').first().waitFor()
    await mini().locator('.points-left').waitFor()
    await fetch(`${demo.base}/sandbox/control/faults`, { method: 'DELETE' })
    const { balanceFen } = await persona('low_balance')
    await page.waitForFunction(() => {
      document.querySelector('.mini .again button')?.click()
      return document.querySelector('.mini .balance')
    }, undefined, { polling: 1000, timeout: 40_000 })
    assert.equal(await number(mini().locator('.balance')), balanceFen / 100)
    await button('关闭小程序').click()
    await page.getByRole('button', { name: /张北北/ }).click()
    await openFromMenu()
    await button('返回上一页').click()
    await mini().locator('.balance').waitFor()
  })

  await t.test('signs in for points, and says what each point is for', async () => {
    const before = await number(mini().locator('.points-left'))
    await button('签到').click()
    await page.waitForFunction((n) => Number(document.querySelector('.mini .points-left')?.textContent) === n + 1, before)
    await shot('mini')
    await mini().locator('.to-points').click()
    await mini().getByRole('list', { name: '积分明细' }).getByText('连续签到第1天').waitFor()
    await mini().getByRole('tab', { name: '有效期' }).click()
    await mini().getByRole('list', { name: '积分批次' }).getByText('签到奖励').waitFor()
    await button('返回上一页').click()
  })

  await t.test('remembers that today is signed in', async () => {
    await button('刷新').click()
    await tab('我的')
    await tab('首页')
    await button('今日已签到').waitFor()
  })

  await t.test('shows bills, the daily curve and the services on the number', async () => {
    const { plan } = await persona('ordinary')
    await tab('我的')
    await button('我的账单').click()
    await mini().getByRole('region', { name: /年\d+月账单/ }).first().waitFor()
    await shot('mini-bills')
    await button('返回上一页').click()
    await button('每日用量').click()
    await mini().getByRole('list', { name: '每日流量' }).getByRole('img').nth(6).waitFor()
    await mini().getByRole('tab', { name: '30天' }).click()
    await mini().getByRole('list', { name: '每日流量' }).getByRole('img').nth(29).waitFor()
    await shot('mini-usage')
    await button('返回上一页').click()
    await button('我的业务').click()
    await mini().getByRole('region', { name: '主套餐' }).getByText(plan).waitFor()
    await shot('mini-services')
    await button('返回上一页').click()
    await tab('首页')
  })

  await t.test('redeems a data pack and sees it in the allowance', async () => {
    const { dataLeftBytes } = await persona('ordinary')
    await tab('积分商城')
    await mini().getByRole('button', { name: /1GB 流量日包/ }).click()
    await button('立即兑换').click()
    await button('确认兑换').click()
    await mini().locator('.done').waitFor()
    await button('查看兑换记录').click()
    await mini().locator('[data-status=fulfilled]').getByText('1GB 流量日包').waitFor({ timeout: 60_000 })
    assert.equal((await persona('ordinary')).dataLeftBytes, dataLeftBytes + 2 ** 30)
    await button('返回上一页').click()
    await button('返回上一页').click()
    await tab('首页')
    await page.waitForFunction((left) => document.querySelector('.mini .data-left')?.textContent.startsWith(String(left)), gb(dataLeftBytes + 2 ** 30))
  })

  await t.test('asks where a parcel goes, and takes it back', async () => {
    await tab('积分商城')
    await mini().getByRole('button', { name: /新春福字礼盒/ }).click()
    await button('立即兑换').click()
    await button('确认兑换').click()
    assert.equal(await mini().locator('.done').count(), 0, 'without an address nothing is sent')
    await mini().getByLabel('收货人').fill('张北北')
    await mini().getByLabel('联系电话').fill('13800138001')
    await mini().getByLabel('详细地址').fill('广州市天河区体育西路 1 号')
    await button('确认兑换').click()
    await button('查看兑换记录').click()
    await button('取消兑换').click()
    await mini().locator('[data-status=cancelled]').getByText('新春福字礼盒').waitFor()
  })

  await t.test('keeps consents, gives all data away and closes the account', async () => {
    await button('返回上一页').click()
    await button('返回上一页').click()
    await tab('我的')
    const marketing = mini().getByRole('switch', { name: '优惠与活动' })
    await marketing.click()
    await mini().locator('[role=switch][aria-label=优惠与活动][aria-checked=true]').waitFor()
    const [download] = await Promise.all([page.waitForEvent('download'), button('导出我的数据').click()])
    const kept = JSON.parse(await readFile(await download.path(), 'utf8'))
    assert.ok(kept.points.entries.length >= 3, 'the ledger is part of it')
    await button('注销账户').click()
    await button('确认注销').click()
    await button('一键绑定手机号').waitFor()
  })

  await t.test('had no error and asked nobody outside', () => {
    // A browser writes a line for every refused call; the refusal is shown on the page.
    const real = browser.problems.filter((p) => !/the server responded with a status of 40[19]/.test(p))
    assert.deepEqual(real, [])
  })
})
