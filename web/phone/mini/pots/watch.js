// Watches one envelope while somebody looks at it: often at first, seldom later, and
// not for ever.

import { onBeforeUnmount, reactive } from 'vue'
import { settled } from './pots.js'
import { remember } from './seen.js'

const OFTEN = 2_000 // ms between two looks
const SELDOM = 10_000
const OFTEN_LOOKS = 90 // then seldom
const MOST_LOOKS = 300 // then a tap goes on

/** {pot, campaign, left, problem, busy, resting, look, again}; left is seconds. */
export function usePot(api, id) {
  let timer, ticking, gone, looks = 0, last = 0
  const it = reactive({ pot: null, campaign: null, left: 0, problem: '', busy: false, resting: false, look, again })

  /** The newest look wins: one from before a tap must not show again what was before it. */
  async function look() {
    const turn = ++last
    clearTimeout(timer)
    it.busy = true
    try {
      const pot = await api.get(`/pots/${id}`)
      if (gone || turn !== last) return
      remember(pot)
      Object.assign(it, { pot, left: pot.secondsLeft, problem: '' })
      it.campaign ??= await api.get(`/campaigns/${pot.campaignId}`)
    } catch (problem) {
      if (turn === last) it.problem = problem.message
    }
    if (turn !== last) return
    it.busy = false
    next()
  }
  function next() {
    const done = it.pot && it.pot.status !== 'open' && (!it.pot.isOwner || settled(it.pot.prize) || it.pot.prize?.needBind || ended(it.pot))
    if (gone || done) return
    if (looks++ >= MOST_LOOKS) {
      it.resting = true
      return
    }
    timer = setTimeout(() => (document.hidden ? next() : look()), looks < OFTEN_LOOKS ? OFTEN : SELDOM)
  }
  function again() {
    looks = 0
    it.resting = false
    look()
  }
  ticking = setInterval(() => (it.left = Math.max(0, it.left - 1)), 1_000)
  onBeforeUnmount(() => {
    gone = true
    clearTimeout(timer)
    clearInterval(ticking)
  })
  look()
  return it
}

/** An envelope that ended without a prize. */
const ended = (pot) => pot.status === 'closed' && !pot.prize
