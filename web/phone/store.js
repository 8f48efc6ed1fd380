// What the page knows, and everything that can be done with it. Components read
// state and call these functions; nobody else talks to the sandbox.

import { computed, reactive } from 'vue'
import { api, listen } from './api.js'
import { codeIn, isWeb } from './format.js'

const MAX_EXCHANGES = 300 // in the inspector
const ANSWER_BY = 16_000 // ms: three tries of five seconds
const CODE_LASTS = 5 * 60_000 // ms
const KEY = 'kaimenhong.phone'

export const state = reactive({
  ready: false,
  online: true,
  problem: '', // why nothing can be shown
  account: { name: '公众号' },
  personas: [],
  current: '', // a persona's id
  menu: [],
  chats: {}, // bubbles by persona
  inboxes: {}, // short messages by persona
  waiting: {}, // by persona: true while an answer is under way
  exchanges: [], // of the inspector, oldest first
  draft: '',
  typing: false, // whether the keyboard is shown rather than the menu
  app: 'chat', // chat, sms, home
  page: null, // what covers the chat: {kind: profile|mini|web|picture, …}
  banner: null, // the short message that slides down
  unreadSMS: {}, // counts by persona
  toast: '',
  drawer: '', // people, backstage; of a narrow window
  tab: 'wire', // of the backstage: wire, sms, mischief
  backstage: true, // whether it is shown in a wide window
})

export const me = computed(() => state.personas.find((p) => p.id === state.current))
export const bubbles = computed(() => state.chats[state.current] ?? [])
export const inbox = computed(() => state.inboxes[state.current] ?? [])
export const unread = computed(() => state.personas.reduce((n, p) => n + (p.id === state.current ? 0 : p.unread), 0))

/** The newest code that came by SMS and still holds. */
export const freshCode = computed(() => {
  const last = inbox.value.findLast((m) => codeIn(m.text))
  return last && Date.now() - Date.parse(last.at) < CODE_LASTS && !usedCodes.has(last.id) ? codeIn(last.text) : ''
})
const usedCodes = reactive(new Set())

let toastTimer
export function tell(text) {
  state.toast = text
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => (state.toast = ''), 2600)
}

/** Runs what a tap asked for and says why it failed. */
async function attempt(work) {
  try {
    return await work()
  } catch (error) {
    tell(error.message)
    return undefined
  }
}

export function start() {
  const kept = remembered()
  state.current = kept.current ?? ''
  state.backstage = kept.backstage ?? true
  listen(onEvent, (up) => {
    state.online = up
    if (up) sync()
  })
  document.addEventListener('visibilitychange', markRead)
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {}
  } catch {
    return {}
  }
}

function remember() {
  try {
    localStorage.setItem(KEY, JSON.stringify({ current: state.current, backstage: state.backstage }))
  } catch {
    // A browser without storage starts with the first persona.
  }
}

/** Fetches everything anew; called at the start and after each interruption. */
async function sync() {
  try {
    const [account, menu, personas, wire] = await Promise.all([api.account(), api.menu(), api.personas(), api.exchanges(0)])
    Object.assign(state, { account, menu: menu.buttons, personas, problem: '' })
    state.exchanges = wire.exchanges.slice(-MAX_EXCHANGES)
    if (!personas.some((p) => p.id === state.current)) state.current = personas[0].id
    await loadPersona(state.current)
    state.ready = true
    // In a new world the first person follows by himself: an empty chat teaches nothing.
    if (personas.every((p) => !p.followedAt)) await follow('')
  } catch (error) {
    state.problem = error.message
  }
}

async function loadPersona(id) {
  const [chat, sms] = await Promise.all([api.chat(id), api.sms(id)])
  const seen = chat.bubbles.at(-1)?.seq ?? 0
  state.chats[id] = [...chat.bubbles, ...(state.chats[id] ?? []).filter((b) => b.seq > seen)]
  state.inboxes[id] = sms.messages
  markRead()
}

function markRead() {
  const who = me.value
  if (!who?.unread || document.hidden) return
  who.unread = 0
  attempt(() => api.read(who.id))
}

function onEvent({ type, persona, data }) {
  switch (type) {
    case 'chat':
      return gotBubble(persona, data)
    case 'sms':
      return gotSMS(persona, data)
    case 'menu':
      state.menu = data ?? []
      return
    case 'typing':
      wait(persona, data)
      return
    case 'inspector':
      gotExchange(data)
  }
}

function gotBubble(id, bubble) {
  const chat = (state.chats[id] ??= [])
  if (chat.some((b) => b.seq === bubble.seq)) return
  chat.push(bubble)
  if (bubble.from === 'user') return
  wait(id, false)
  const who = state.personas.find((p) => p.id === id)
  if (who && bubble.from === 'account') who.unread++
  if (id === state.current) markRead()
}

function gotSMS(id, message) {
  const box = (state.inboxes[id] ??= [])
  if (box.some((m) => m.id === message.id)) return
  box.push(message)
  state.unreadSMS[id] = (state.unreadSMS[id] ?? 0) + 1
  if (id === state.current && state.app !== 'sms') state.banner = message
}

function gotExchange(exchange) {
  if (state.exchanges.at(-1)?.seq >= exchange.seq) return
  state.exchanges.push(exchange)
  if (state.exchanges.length > MAX_EXCHANGES) state.exchanges.shift()
  if (exchange.kind === 'callback' && exchange.outcome === 'nothing said') wait(exchange.persona, false)
  if (exchange.kind === 'callback') refresh(exchange.persona)
}

/** Looks again at what the carrier knows of a person. */
async function refresh(id) {
  const at = state.personas.findIndex((p) => p.id === id)
  if (at < 0) return
  const fresh = await api.persona(id).catch(() => null) // the next event asks again
  if (fresh) state.personas[at] = { ...fresh, unread: id === state.current && !document.hidden ? 0 : fresh.unread }
}

const waits = {}
function wait(id, on) {
  clearTimeout(waits[id])
  state.waiting[id] = on
  if (on) waits[id] = setTimeout(() => (state.waiting[id] = false), ANSWER_BY)
}

// What the person does.

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

function put(persona) {
  const at = state.personas.findIndex((p) => p.id === persona.id)
  state.personas[at] = persona
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
