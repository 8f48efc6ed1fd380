// What the pages of the mini-program share: where it is, whose it is, how it talks.

import { inject, onBeforeUnmount, reactive } from 'vue'
import { tell } from '../store.js'

export const MINI = Symbol('the mini-program')
export const useMini = () => inject(MINI)

/** Where the paths of cards and menus lead; a path that is not here opens the first. */
const PATHS = {
  'pages/home/index': 'home',
  'pages/topup/index': 'topup',
  'pages/mall/index': 'mall',
  'pages/redpacket/index': 'redpacket',
}

/** The page and its parameters that a path means. */
export function routeOf(path) {
  const [page, query] = (path ?? '').replace(/^\//, '').split('?')
  const params = Object.fromEntries(new URLSearchParams(query ?? ''))
  const name = PATHS[page] ?? 'home'
  return name === 'redpacket' && params.pot ? { name: 'pot', params: { id: params.pot } } : { name, params }
}

/**
 * Something that is fetched: {data, problem, busy, run}. The newest run wins, and
 * what was there stays while it is fetched again.
 */
export function useLoad(load) {
  let last = 0
  let gone = false
  onBeforeUnmount(() => (gone = true))
  const it = reactive({ data: null, problem: '', busy: false, run })
  async function run() {
    const turn = ++last
    it.busy = true
    try {
      const data = await load()
      if (turn === last && !gone) Object.assign(it, { data, problem: '', busy: false })
    } catch (problem) {
      if (turn === last && !gone) Object.assign(it, { problem: problem.message, busy: false })
    }
  }
  run()
  return it
}

/** A list by pages: {items, problem, busy, cursor, run, next}; cursor is '' on the last. */
export function useList(page) {
  const it = reactive({ items: null, problem: '', busy: false, cursor: '', run: () => fetchPage(''), next: () => fetchPage(it.cursor) })
  let last = 0
  async function fetchPage(cursor) {
    if (it.busy && cursor) return
    const turn = ++last // a list that begins anew wins over a page on its way
    it.busy = true
    try {
      const { items, next } = await page(cursor)
      if (turn !== last) return
      it.items = cursor ? [...it.items, ...items] : items
      Object.assign(it, { cursor: next ?? '', problem: '' })
    } catch (problem) {
      if (turn === last) it.problem = problem.message
    } finally {
      if (turn === last) it.busy = false
    }
  }
  it.run()
  return it
}

/** Something that a tap does once at a time; why it failed is told. */
export function useAct() {
  const it = reactive({ busy: false, run })
  async function run(work) {
    if (it.busy) return undefined
    it.busy = true
    try {
      return await work()
    } catch (problem) {
      tell(problem.fields?.length ? `${problem.message}：${problem.fields[0].detail}` : problem.message)
      return undefined
    } finally {
      it.busy = false
    }
  }
  return it
}
