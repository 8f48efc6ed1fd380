// The application's API as the mini-program calls it, for one person. What WeChat's
// own client would do (wx.login, getPhoneNumber, the subscribe pop-up) is asked of
// the sandbox. Tokens, and writes of which nobody knows what became, live as long as the
// tab, apart for each person.

const BASE = '/api/v1'
const CLIENT = '/sandbox/control/personas'
const DEADLINE = 12_000 // ms, of one try
const KEPT = 'kaimenhong.mini.'
const UNSURE = 'kaimenhong.mini.unsure.'
const MOST_UNSURE = 20 // of one person; the latest

/** What went wrong, in words that can be shown; code is stable. */
export class Problem extends Error {
  constructor(detail, { code = '', status = 0, fields = [] } = {}) {
    super(detail)
    Object.assign(this, { code, status, fields })
  }
}

const unreachable = () => new Problem('网络不太好，请稍后再试', { code: 'offline' })

/** A name for one intent; a repeat of it carries the same. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('')
}

const LATER = [408, 425, 429] // these answers are not kept
const REUSED = 422 // the key was used for something else

/** The key of the next tap: the same while nobody knows what became of the write, a new one after a refusal, for that was the answer to the old one. */
export function keyAfter(key, { status = 0, code = '' }) {
  const refused = status >= 400 && status < 500 && !LATER.includes(status) && code !== 'request.running'
  return refused ? newKey() : key
}

async function ask(url, { method = 'GET', body, headers = {} } = {}) {
  let answer
  try {
    answer = await fetch(url, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
      signal: AbortSignal.timeout(DEADLINE),
    })
  } catch {
    throw unreachable()
  }
  if (answer.status === 204) return null
  const value = await answer.json().catch(() => null)
  if (answer.ok) return value
  const why = value?.detail || value?.error || '系统开小差了，请稍后再试'
  throw new Problem(why, { code: value?.code, status: answer.status, fields: value?.fields })
}

/** What this tab keeps under a name, over a reload; nothing without storage. */
function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name))
  } catch {
    return null
  }
}

function keep(name, value) {
  try {
    if (value) sessionStorage.setItem(name, JSON.stringify(value))
    else sessionStorage.removeItem(name)
  } catch {
    // Without storage the person signs in again after a reload, and a write without an answer is a new one.
  }
}

const connections = new Map()

/** The connection of one person; the same one each time. */
export function connect(persona) {
  if (!connections.has(persona)) connections.set(persona, new Connection(persona))
  return connections.get(persona)
}

class Connection {
  constructor(persona) {
    this.persona = persona
    this.tokens = kept(KEPT + persona)
    this.signing = null
    this.unsure = new Map(kept(UNSURE + persona)) // writes of which nobody knows what became, with their keys, by what they are for
  }

  get(path) {
    return this.call('GET', path)
  }

  /** A write is sent again under its key when nobody knows whether it arrived. */
  async write(method, path, body, key = newKey()) {
    try {
      return await this.call(method, path, body, key)
    } catch (problem) {
      if (problem.code !== 'offline' && problem.status !== 503) throw problem
      return this.call(method, path, body, key)
    }
  }

  /**
   * A write that is made once, however often it is tapped, until an answer tells what
   * became of it: whoever left the page, or loaded it anew, and comes back to it asks for
   * the same. Where
   * the one without an answer had arrived, what was changed since comes too late, and
   * its answer is the answer.
   */
  async once(purpose, method, path, body) {
    const first = this.unsure.get(purpose) ?? { key: newKey(), body, at: Date.now() }
    this.note(purpose, first)
    try {
      const answer = await this.write(method, path, body, first.key).catch((problem) => {
        if (problem.status !== REUSED || body === first.body) throw problem
        return this.write(method, path, first.body, first.key)
      })
      this.note(purpose)
      return answer
    } catch (problem) {
      if (keyAfter(first.key, problem) !== first.key) this.note(purpose)
      throw problem
    }
  }

  /** What a write made was seen, with the time it was made, which the server tells to the second: the next one is a write of its own. */
  learnt(purpose, madeAt) {
    const first = this.unsure.get(purpose)
    if (first && Date.parse(madeAt) >= Math.floor(first.at / 1000) * 1000) this.note(purpose)
  }

  /** Keeps a write that is unsure from now on, or forgets one. */
  note(purpose, write) {
    this.unsure.delete(purpose)
    if (write) this.unsure.set(purpose, write)
    for (const oldest of [...this.unsure.keys()].slice(0, -MOST_UNSURE)) this.unsure.delete(oldest)
    keep(UNSURE + this.persona, this.unsure.size ? [...this.unsure] : null)
  }

  async call(method, path, body, key) {
    const access = await this.access()
    try {
      return await this.send(access, method, path, body, key)
    } catch (problem) {
      if (problem.status !== 401) throw problem
      if (this.tokens?.accessToken === access) this.tokens.accessToken = '' // it is no longer good
      return this.send(await this.access(), method, path, body, key)
    }
  }

  send(access, method, path, body, key) {
    const headers = { Authorization: `Bearer ${access}` }
    if (key) headers['Idempotency-Key'] = key
    return ask(BASE + path, { method, body, headers })
  }

  /** A token that is good: the one there, a refreshed one, or that of a new login. */
  async access() {
    if (this.tokens?.accessToken) return this.tokens.accessToken
    this.signing ??= this.sign().finally(() => (this.signing = null))
    return (await this.signing).accessToken
  }

  async sign() {
    const refreshToken = this.tokens?.refreshToken
    if (refreshToken) {
      try {
        return this.hold(await ask(`${BASE}/session/refresh`, this.opening({ refreshToken })))
      } catch (problem) {
        if (problem.code === 'offline' || problem.status >= 500) throw problem
      }
    }
    const { code } = await this.client('login-code')
    return this.hold(await ask(`${BASE}/session`, this.opening({ code })))
  }

  opening(body) {
    return { method: 'POST', body, headers: { 'Idempotency-Key': newKey() } }
  }

  hold(tokens) {
    this.tokens = tokens
    keep(KEPT + this.persona, tokens)
    return tokens
  }

  /** Forgets the session, as after the account was closed. */
  forget() {
    this.tokens = null
    this.unsure.clear()
    keep(KEPT + this.persona, null)
    keep(UNSURE + this.persona, null)
  }

  /** What WeChat's own client does for the person. */
  client(act, body = {}) {
    return ask(`${CLIENT}/${encodeURIComponent(this.persona)}/${act}`, { method: 'POST', body })
  }

  /** The templates that a subscribe pop-up can ask for. */
  templates() {
    return ask('/sandbox/control/templates')
  }
}
