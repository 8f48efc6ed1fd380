// The sandbox's control API; sandbox/README.md describes it.

const BASE = '/sandbox/control'
const DEADLINE = 15_000 // ms; a forged call may take ten seconds

/** Asks the sandbox; fails with an Error whose message can be shown. */
async function call(method, path, body) {
  let answer
  try {
    answer = await fetch(BASE + path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      signal: AbortSignal.timeout(DEADLINE),
    })
  } catch {
    throw new Error('连不上体验环境，请确认程序还在运行')
  }
  if (answer.status === 204) return null
  const value = await answer.json().catch(() => null)
  if (!answer.ok) throw new Error(value?.error || `体验环境出错了（${answer.status}）`)
  return value
}

const person = (id) => `/personas/${encodeURIComponent(id)}`

export const api = {
  account: () => call('GET', '/account'),
  menu: () => call('GET', '/menu'),
  personas: () => call('GET', '/personas'),
  persona: (id) => call('GET', person(id)),
  follow: (id, scene) => call('POST', `${person(id)}/follow`, { scene }),
  unfollow: (id) => call('POST', `${person(id)}/unfollow`, {}),
  say: (id, said) => call('POST', `${person(id)}/messages`, said),
  tap: (id, key) => call('POST', `${person(id)}/menu`, { key }),
  share: (id, card) => call('POST', `${person(id)}/cards`, card),
  chat: (id) => call('GET', `${person(id)}/chat`),
  read: (id) => call('POST', `${person(id)}/read`, {}),
  sms: (id) => call('GET', `${person(id)}/sms`),
  exchanges: (after) => call('GET', `/inspector?after=${after}`),
  faults: () => call('GET', '/faults'),
  setFault: (point, faults) => call('PUT', `/faults/${point}`, faults),
  clearFault: (point) => call('DELETE', `/faults/${point}`),
  clearFaults: () => call('DELETE', '/faults'),
  chaos: () => call('GET', '/chaos'),
  setChaos: (trick) => call('POST', '/chaos', trick),
  expireTokens: () => call('POST', '/tokens/expire', {}),
}

/** Where a picture or sound of the chat is. */
export const mediaURL = (id) => `${BASE}/media/${encodeURIComponent(id)}`

const AGAIN = 3_000 // ms until a refused stream is asked for once more

/**
 * Listens to what happens; the browser connects again by itself when the stream
 * breaks, and here when it was refused. onState hears true at every (re)start,
 * which is when what was missed has to be fetched.
 */
export function listen(onEvent, onState) {
  const stream = new EventSource(`${BASE}/events`)
  stream.onopen = () => onState(true)
  stream.onerror = () => {
    onState(false)
    if (stream.readyState !== EventSource.CLOSED) return
    setTimeout(() => listen(onEvent, onState), AGAIN)
  }
  for (const type of ['chat', 'inspector', 'menu', 'typing', 'sms']) {
    stream.addEventListener(type, (e) => onEvent(JSON.parse(e.data)))
  }
}
