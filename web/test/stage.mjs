// The stage of a story: the demo with an empty world and a browser beside it, there
// from before a file's first test until after its last one.

import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, before } from 'node:test'
import { missing, startBrowser, startDemo } from './demo.mjs'

const SHOTS = process.env.SCREENSHOTS ? resolve(import.meta.dirname, '../../docs/screenshots') : ''

export const skip = missing()
export let demo, browser, page

before(async () => {
  if (skip) return
  demo = await startDemo()
  browser = await startBrowser(demo.base)
  page = browser.page
})
after(async () => {
  await browser?.stop()
  await demo?.stop()
})

/** Keeps a picture for the documents, when SCREENSHOTS is set; of the phone alone unless told. */
export async function shot(name, of = page.locator('.phone.framed')) {
  if (!SHOTS) return
  await mkdir(SHOTS, { recursive: true })
  await of.screenshot({ path: join(SHOTS, `${name}.png`), animations: 'disabled' })
}
