// Keeps the page's state true: everything at the start and after each interruption,
// and in between what the sandbox tells as it happens.

import { api, listen } from './api.js'
import { follow } from './acts.js'
import { loadPersona, markRead, remembered, state, wait } from './store.js'
import { keepTrail, resume } from './trail.js'

const MAX_EXCHANGES = 300 // in the inspector

export function start() {
  const kept = remembered()
  state.current = kept.current ?? ''
  state.backstage = kept.backstage ?? true
  listen(onEvent, (up) => {
    state.online = up
    if (up) sync()
  })
  document.addEventListener('visibilitychange', markRead)
  keepTrail()
}

/** Fetches everything anew; called at the start and after each interruption. */
async function sync() {
  try {
    const [account, menu, personas, wire] = await Promise.all([api.account(), api.menu(), api.personas(), api.exchanges(0)])
    Object.assign(state, { account, menu: menu.buttons, personas, problem: '' })
    state.exchanges = wire.exchanges.slice(-MAX_EXCHANGES)
    if (!personas.some((p) => p.id === state.current)) state.current = personas[0].id
    await loadPersona(state.current)
    if (!state.ready) resume()
    state.ready = true
    // In a new world the first person follows by himself: an empty chat teaches nothing.
    if (personas.every((p) => !p.followedAt)) await follow('')
  } catch (error) {
    state.problem = error.message
  }
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
  if (bubble.from !== 'friend') wait(id, false)
  const who = state.personas.find((p) => p.id === id)
  if (who && ['account', 'friend'].includes(bubble.from)) who.unread++
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
