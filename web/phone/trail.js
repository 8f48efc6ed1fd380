// The browser's own back and reload lead through the mini-program: each of its pages is
// an entry in the history of the tab. An entry holds whose page it is and where; the
// address stays as it is and tells nobody.

import { watch } from 'vue'
import { state } from './store.js'

const here = () => history.state?.mini
let left = Promise.resolve() // when the browser has gone back as it was told
let going = null // the entry that it was told to leave

/** Keeps where the mini-program is, in the entry there is or in one more. */
function enter(page, more) {
  const depth = (here()?.depth ?? 0) + (more ? 1 : 0) // entries after that of the chat
  const mini = JSON.parse(JSON.stringify({ ...page, depth, persona: state.current }))
  history[more ? 'pushState' : 'replaceState']({ mini }, '')
  return mini
}

/** Shows the pages of stack, the last on top; more is true for one page more. */
export function turnTo(stack, more) {
  state.page = enter({ ...state.page, stack }, more)
}

/** Goes back so many entries, once for each: a second tap comes too late. */
export function goBack(entries = 1) {
  if (going === history.state) return
  going = history.state
  left = new Promise((done) => addEventListener('popstate', done, { once: true }))
  history.go(-entries)
}

/** Shows what the entry of the history says, after a reload or the browser's own back. */
export function resume() {
  const mini = here()
  if (mini && mini.persona === state.current) state.page = mini
  else if (state.page?.kind === 'mini') state.page = null
}

export function keepTrail() {
  addEventListener('popstate', resume)
  watch(() => state.page, async (page) => {
    if (page?.kind !== 'mini') return here() && goBack(here().depth)
    if (page.depth) return undefined // it is an entry
    await left
    if (state.page === page) state.page = enter(page, true)
  })
}
