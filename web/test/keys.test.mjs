// What a tap's key becomes after a problem.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyAfter, newKey, Problem } from '../phone/mini/server.js'

test('a refusal is the answer, and the next tap asks anew', () => {
  const key = newKey()
  for (const [name, said, same] of [
    ['nobody knows whether it arrived', { code: 'offline' }, true],
    ['the server is busy', { code: 'redpacket.busy', status: 503 }, true],
    ['a gateway gave up waiting', { status: 504 }, true],
    ['the first try is still under way', { code: 'request.running', status: 409 }, true],
    ['too fast', { code: 'redpacket.too_fast', status: 429 }, true],
    ['the game stands still', { code: 'redpacket.stopped', status: 409 }, false],
    ['the budget is gone', { code: 'redpacket.budget', status: 409 }, false],
    ['no number is bound', { code: 'redpacket.not_bound', status: 403 }, false],
  ]) assert.equal(keyAfter(key, new Problem(name, said)) === key, same, name)
  assert.equal(keyAfter(key, new TypeError('no answer at all')), key)
})
