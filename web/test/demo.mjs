// Builds and starts the demo with an empty world, and a browser beside it.

import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'

const ROOT = resolve(import.meta.dirname, '../..')
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium'
const START_LIMIT = 30_000 // ms, from the process to its first answer
const STOP_LIMIT = 15_000 // ms
const run = promisify(execFile)

/** Why the browser tests cannot run here, or ''. CI must never skip them. */
export function missing() {
  const why = existsSync(CHROMIUM) ? '' : `no Chromium at ${CHROMIUM}; install it or set CHROMIUM`
  if (why && process.env.CI) throw new Error(why)
  if (why) console.error(`\n*** BROWSER TESTS SKIPPED: ${why} ***\n`)
  return why
}

/** Starts the demo; answers {base, control, stop}. */
export async function startDemo() {
  const dir = await mkdtemp(join(tmpdir(), 'kaimenhong-phone-'))
  const binary = join(dir, 'demo')
  await run('go', ['build', '-o', binary, './cmd/demo'], { cwd: ROOT })
  const child = spawn(binary, ['--addr', '127.0.0.1:0', '--data', join(dir, 'data')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((done) => child.once('exit', done))
  const base = await new Promise((done, failed) => {
    let said = ''
    const late = setTimeout(() => failed(new Error('the demo did not start in time')), START_LIMIT)
    child.once('exit', (code) => failed(new Error(`the demo ended with ${code}`)))
    child.stdout.on('data', (text) => {
      said += text
      const address = /phone\s+(http:\S+)\/\n/.exec(said)
      if (!address) return
      clearTimeout(late)
      done(address[1])
    })
  })
  return {
    base,
    control: async (path) => (await fetch(`${base}/sandbox/control${path}`)).json(),
    /** Calls WeChat's API as the application would; body is an object or a form. */
    wechat: async (path, body) => {
      const sent = body instanceof FormData ? body : JSON.stringify(body)
      return (await fetch(`${base}/sandbox/wechat/cgi-bin/${path}`, { method: 'POST', body: sent })).json()
    },
    stop: async () => {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT)
      await exited
      clearTimeout(late)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Opens a browser of its own; answers {page, problems, stop}. */
export async function startBrowser(base) {
  const dir = await mkdtemp(join(tmpdir(), 'kaimenhong-browser-'))
  const context = await chromium.launchPersistentContext(dir, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: { width: 1280, height: 900 },
    locale: 'zh-CN',
    timezoneId: 'Asia/Shanghai',
    permissions: ['clipboard-read', 'clipboard-write'],
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  })
  const page = context.pages()[0] ?? (await context.newPage())
  page.setDefaultTimeout(15_000)
  const problems = []
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`))
  page.on('console', (line) => ['error', 'warning'].includes(line.type()) && problems.push(`console: ${line.text()}`))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${base}/`) && !/^(data|blob):/.test(url)) problems.push(`outside request: ${url}`)
  })
  return {
    page,
    problems,
    stop: async () => {
      await context.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
