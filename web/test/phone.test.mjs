// The story that the phone page tells, in a real browser on the real demo. Every
// step waits for what it is about; nothing waits for time to pass.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { browser, demo, page, shot, skip } from './stage.mjs'

// The sandbox's own, which open nothing else.
const ACCOUNT = { grant_type: 'client_credential', appid: 'wx5a6d6862782d6f61', secret: 'sandbox-app-secret-0123456789abc' }
const MINI = 'wx5a6d6862782d6d70'
const button = (name, within = page) => within.getByRole('button', { name, exact: true })
const input = () => page.getByLabel('输入消息')
const answers = () => page.locator('.row[data-from=account]')
const yuan = (fen) => (fen / 100).toFixed(2)
const persona = (id) => demo.control(`/personas/${id}`)

/** Waits for an answer after what do() causes, and returns its words. */
async function answerTo(work) {
  const last = await answers().last().getAttribute('data-seq')
  await work()
  await page.waitForFunction((seq) => Number([...document.querySelectorAll('.row[data-from=account]')].at(-1)?.dataset.seq) > seq, Number(last))
  return answers().last().innerText()
}
const say = (text) => answerTo(async () => {
  await input().fill(text)
  await input().press('Enter')
})
const tap = (group, name) => answerTo(async () => {
  await button(group, page.getByRole('navigation')).click()
  await button(name, page.getByRole('group', { name: group })).click()
})
async function bind(phone) {
  assert.match(await say('查话费'), /绑定/)
  await say(phone)
  await page.locator('.banner .take').click()
  assert.match(await input().inputValue(), /^\d{6}$/, 'the code is filled in')
  return answerTo(() => input().press('Enter'))
}

test('the phone page', { skip: skip || false }, async (t) => {
  await t.test('answers without any tap: a welcome and the menu', async () => {
    await page.goto(demo.base)
    await answers().first().waitFor()
    assert.match(await answers().first().innerText(), /欢迎/)
    assert.equal(await page.getByRole('navigation').getByRole('button').count(), (await demo.control('/menu')).buttons.length)
  })

  await t.test('lets one be somebody else and follow by a code', async () => {
    await button('切换到键盘').click()
    await page.getByRole('button', { name: /李小满/ }).click()
    await button('扫码关注').click()
    await page.getByRole('button', { name: /天河营业厅的海报/ }).click()
    await answers().first().waitFor()
    const { follows } = await persona('low_balance')
    assert.equal(follows, true)
    const { exchanges } = await demo.control('/inspector')
    assert.match(exchanges.findLast((x) => x.name === 'event.subscribe').requestPlain, /qrscene_store_tianhe/)
  })

  await t.test('binds a number with the code of the SMS and tells the balance', async () => {
    const { phone, balanceFen } = await persona('low_balance')
    assert.match(await bind(phone), /绑定成功/)
    assert.ok((await say('查话费')).includes(yuan(balanceFen)), 'the balance is the carrier’s')
  })

  await t.test('tells the remaining data when the menu is tapped', async () => {
    await button('切换到菜单').click()
    assert.match(await tap('查询', '查流量'), /流量.*GB/)
    await page.getByText('你点了菜单「查流量」').waitFor()
  })

  await t.test('follows a link of a text and a number of a choice', async () => {
    await tap('我的', '帮助')
    const { balanceFen } = await persona('low_balance')
    const byLink = await answerTo(() => answers().last().getByRole('button', { name: '1 查话费' }).click())
    assert.ok(byLink.includes(yuan(balanceFen)))
    await tap('我的', '帮助')
    await button('切换到键盘').click()
    assert.match(await say('2'), /流量/)
  })

  await t.test('shows a picture, a voice and a place on the person’s side', async () => {
    await page.getByRole('button', { name: /^更多/ }).click()
    await answerTo(() => button('示例图片').click())
    await page.locator('.row.own .picture img').waitFor()
    await page.getByRole('button', { name: /^更多/ }).click()
    await button('语音').click()
    assert.match(await answerTo(() => button('帮我查查话费还有几块').click()), /话费/)
    await page.getByRole('button', { name: /^更多/ }).click()
    await button('位置').click()
    await answerTo(() => page.getByRole('button', { name: /体育西路/ }).click())
    await page.locator('.row.own .place').waitFor()
  })

  await t.test('opens the mini-program from the menu and comes back', async () => {
    await button('切换到菜单').click()
    await button('办理', page.getByRole('navigation')).click()
    await button('充值', page.getByRole('group', { name: '办理' })).click()
    await page.getByRole('dialog', { name: '小程序：充值方式' }).getByText('还没有绑定手机号').or(page.locator('.mini .big')).first().waitFor()
    await button('关闭小程序').click()
    await input().or(page.getByRole('navigation')).first().waitFor()
  })

  await t.test('shows the XML of a call, decrypted and as it went', async () => {
    const line = page.locator('.exchange[data-name=text] .line').first()
    await line.click()
    const bodies = page.locator('.exchange.open pre')
    assert.match(await bodies.first().innerText(), /<MsgType><!\[CDATA\[text\]\]><\/MsgType>/)
    await button('原始密文').click()
    assert.match(await bodies.first().innerText(), /<Encrypt>/)
    await page.locator('.exchange.open').getByRole('button', { name: '复制' }).first().click()
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /<Encrypt>/)
    await line.click()
  })

  await t.test('shows a forged call refused and a fault switched on and off', async () => {
    await page.getByRole('tab', { name: '捣乱' }).click()
    await button('伪造一次来电').click()
    await page.getByText(/应答 4\d\d，正文为空.*识破了/).waitFor()
    const down = page.getByRole('switch', { name: /运营商宕机/ })
    await down.click()
    await page.locator('[role=switch][aria-checked=true]').waitFor()
    const { faults } = await demo.control('/faults/carrier')
    assert.equal(faults[0].status, 503)
    await button('全部恢复正常').click()
    await page.locator('[role=switch][aria-checked=true]').waitFor({ state: 'detached' })
  })

  await t.test('keeps the SMS in an app of the phone', async () => {
    await button('回到手机桌面', page.locator('.head')).click()
    await button('信息').click()
    await page.getByRole('list', { name: '短信' }).getByText('验证码').first().waitFor()
    await button('返回').click()
    await button('微信').click()
    await answers().last().waitFor()
  })

  await t.test('shows pictures, articles, cards, choices and notices that the account sends', async () => {
    const { access_token: token } = await demo.wechat('stable_token', ACCOUNT)
    const { openid } = await persona('low_balance')
    const form = new FormData()
    form.append('media', new Blob([await readFile(join(import.meta.dirname, 'dot.jpg'))], { type: 'image/jpeg' }), 'dot.jpg')
    const { thumb_media_id: thumb } = await demo.wechat(`media/upload?access_token=${token}&type=thumb`, form)
    for (const message of [
      { msgtype: 'news', news: { articles: [{ title: '流量翻倍', description: '老用户也有份', url: 'https://example.cn/a', picurl: `/sandbox/control/media/${thumb}` }] } },
      { msgtype: 'miniprogrampage', miniprogrampage: { title: '积分换好礼', appid: MINI, pagepath: 'pages/mall/index', thumb_media_id: thumb } },
      { msgtype: 'msgmenu', msgmenu: { head_content: '有帮助吗', list: [{ id: '1', content: '有帮助' }], tail_content: '谢谢' } },
    ]) assert.deepEqual(await demo.wechat(`message/custom/send?access_token=${token}`, { touser: openid, ...message }), { errcode: 0, errmsg: 'ok' })
    const template = (await demo.control('/templates')).find((x) => x.title === '话费余额提醒')
    const data = { phone_number1: { value: '138****8002' }, amount2: { value: '3.85元' }, thing3: { value: '余额不多了' } }
    assert.equal((await demo.wechat(`message/template/send?access_token=${token}`, { touser: openid, template_id: template.id, data, miniprogram: { appid: MINI, pagepath: 'pages/topup/index' } })).errcode, 0)
    await page.locator('.notice').getByText('3.85元').waitFor()
    await page.locator('.row .news').click()
    await page.getByRole('link', { name: '在新窗口打开' }).waitFor()
    await button('关闭').click()
    await page.locator('.row .mini-card').click()
    await page.getByRole('dialog', { name: /^小程序：/ }).waitFor()
    await button('关闭小程序').click()
    await answerTo(() => button('有帮助', page.locator('.choices')).click())
    await page.locator('.row.own .said').getByText('有帮助').waitFor()
  })

  await t.test('counts what others have not read', async () => {
    const said = { method: 'POST', body: JSON.stringify({ text: '帮助' }) }
    await fetch(`${demo.base}/sandbox/control/personas/ordinary/messages`, said)
    await page.getByRole('button', { name: /张北北/ }).locator('.badge').waitFor()
  })

  await t.test('writes what a stranger wrote as text, never as a page', async () => {
    await button('切换到键盘').click()
    await say('<img src=x onerror="document.title=1"><b>粗</b>')
    assert.equal(await page.locator('.row.own img[src=x], .row.own .said b').count(), 0)
  })

  await t.test('keeps the chat over a reload', async () => {
    const before = await page.locator('.row').allInnerTexts()
    await page.reload()
    await answers().last().waitFor()
    assert.deepEqual(await page.locator('.row').allInnerTexts(), before)
    assert.equal(await page.locator('[aria-current=true] b').innerText().then((s) => s.trim()), '李小满')
  })

  await t.test('asks whoever leaves to follow again', async () => {
    await button('公众号资料').click()
    await button('不再关注').click()
    await button('关注公众号').waitFor()
    assert.equal((await persona('low_balance')).follows, false)
  })

  await t.test('tells its story at desk and phone width', async () => {
    await page.getByRole('button', { name: /张北北/ }).click()
    await button('切换到键盘').click()
    await bind((await persona('ordinary')).phone)
    await button('切换到菜单').click()
    await tap('查询', '查流量')
    await page.locator('.banner').waitFor({ state: 'detached' })
    await page.locator('.toast').waitFor({ state: 'detached' })
    await page.locator('.exchange[data-name="event.CLICK"] .line').first().click()
    await shot('phone', page)

    await page.setViewportSize({ width: 390, height: 844 })
    await button('公众号资料').waitFor()
    const { wide, side } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, side: document.querySelectorAll('aside').length }))
    assert.deepEqual({ wide, side }, { wide: 390, side: 0 }, 'the chat fills the screen and nothing sticks out')
    await shot('phone-mobile', page)
    await page.getByRole('button', { name: /我是张北北/ }).click()
    await page.getByRole('dialog', { name: '体验用户' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: /^幕后/ }).click()
    await page.getByRole('dialog', { name: '幕后' }).getByRole('tab', { name: '报文' }).waitFor()
  })

  await t.test('had no error and asked nobody outside', () => assert.deepEqual(browser.problems, []))
})
