// What the person does with the phone and the page around it.

import { api } from './api.js'
import { codeIn, isWeb } from './format.js'
import { attempt, inbox, loadPersona, put, remember, state, tell, usedCodes, wait } from './store.js'

export async function choose(id) {
  Object.assign(state, { current: id, page: null, banner: null, draft: '', app: 'chat', drawer: '' })
  remember()
  await attempt(() => loadPersona(id))
}

export async function follow(scene) {
  const id = state.current
  state.page = null
  wait(id, true)
  const stands = await attempt(() => api.follow(id, scene))
  if (!stands) wait(id, false)
  else put(stands)
}

export async function unfollow() {
  const stands = await attempt(() => api.unfollow(state.current))
  if (stands) put(stands)
  state.page = null
}

/** Sends what was said: {text}, {image}, {voice}, {location}. True when it went. */
export async function say(said) {
  const id = state.current
  wait(id, true)
  const went = (await attempt(() => api.say(id, said))) !== undefined
  if (!went) wait(id, false)
  if (said.text && codeIn(said.text)) for (const m of inbox.value) if (codeIn(m.text) === said.text.trim()) usedCodes.add(m.id)
  return went
}

export async function tap(button) {
  const id = state.current
  const silent = button.type === 'view' || button.type === 'miniprogram'
  if (!silent) wait(id, true)
  const tapped = await attempt(() => api.tap(id, button.key || button.pagepath || button.url || button.name))
  if (!tapped) return wait(id, false)
  if (button.type === 'view') openWeb(button.url, button.name)
  if (button.type === 'miniprogram') openMini(button.appid, button.pagepath, button.name)
}

/** Follows a piece of a text, a card or an article to where it leads. */
export function open(link) {
  if (link.say) return say({ text: link.say, menuId: link.sayId })
  if (link.appId) return openMini(link.appId, link.page, link.title || link.text)
  return openWeb(link.href || link.url, link.title || link.text)
}

function openMini(appId, path, title) {
  state.page = { kind: 'mini', appId, path: path ?? '', title }
}

function openWeb(url, title) {
  if (!isWeb(url)) return tell('这个链接打不开')
  state.page = { kind: 'web', url, title }
}

export function showSMS() {
  Object.assign(state, { app: 'sms', banner: null, page: null, drawer: '' })
  seenSMS()
}

export function seenSMS() {
  state.unreadSMS[state.current] = 0
}

/** Puts the code of a short message where it is wanted. */
export function fillCode(message) {
  const code = codeIn(message.text)
  Object.assign(state, { banner: null, app: 'chat', page: null, drawer: '' })
  seenSMS()
  if (!code) return showSMS()
  state.typing = true
  state.draft = code
}

export async function copy(text, what = '已复制') {
  await attempt(async () => {
    if (!navigator.clipboard) throw new Error('这个浏览器不让复制，请手动选中')
    await navigator.clipboard.writeText(text)
    tell(what)
  })
}

export function toggleBackstage() {
  state.backstage = !state.backstage
  remember()
}

export function backstage(tab) {
  Object.assign(state, { tab, backstage: true, drawer: 'backstage' })
}
