// What the page knows. live.js fills it, acts.js does what the person asks for.

import { computed, reactive } from 'vue'
import { api } from './api.js'
import { codeIn } from './format.js'

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

/** Codes that were sent and are not offered again. */
export const usedCodes = reactive(new Set())

/** The newest code that came by SMS and still holds. */
export const freshCode = computed(() => {
  const last = inbox.value.findLast((m) => codeIn(m.text))
  return last && Date.now() - Date.parse(last.at) < CODE_LASTS && !usedCodes.has(last.id) ? codeIn(last.text) : ''
})

let toastTimer
export function tell(text) {
  state.toast = text
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => (state.toast = ''), 2600)
}

/** Runs what a tap asked for and says why it failed. */
export async function attempt(work) {
  try {
    return await work()
  } catch (error) {
    tell(error.message)
    return undefined
  }
}

export function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {}
  } catch {
    return {}
  }
}

export function remember() {
  try {
    localStorage.setItem(KEY, JSON.stringify({ current: state.current, backstage: state.backstage }))
  } catch {
    // A browser without storage starts with the first persona.
  }
}

export async function loadPersona(id) {
  const [chat, sms] = await Promise.all([api.chat(id), api.sms(id)])
  const seen = chat.bubbles.at(-1)?.seq ?? 0
  state.chats[id] = [...chat.bubbles, ...(state.chats[id] ?? []).filter((b) => b.seq > seen)]
  state.inboxes[id] = sms.messages
  markRead()
}

export function markRead() {
  const who = me.value
  if (!who?.unread || document.hidden) return
  who.unread = 0
  attempt(() => api.read(who.id))
}

const waits = {}
/** Says whether the person waits for an answer, ANSWER_BY at most. */
export function wait(id, on) {
  clearTimeout(waits[id])
  state.waiting[id] = on
  if (on) waits[id] = setTimeout(() => (state.waiting[id] = false), ANSWER_BY)
}

export function put(persona) {
  const at = state.personas.findIndex((p) => p.id === persona.id)
  state.personas[at] = persona
}
