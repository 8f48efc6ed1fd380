// What a tap's key becomes after a problem.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, keyAfter, newKey, Problem } from '../phone/mini/server.js'

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

test('a write without an answer is no longer unsure once what it made was seen', async () => {
  const phone = connect('who looked')
  phone.tokens = { accessToken: 'a' }
  const keys = []
  globalThis.fetch = async (_, { headers }) => {
    keys.push(headers['Idempotency-Key'])
    throw new TypeError('the line is cut')
  }
  const exchange = () => assert.rejects(phone.once('gift 5', 'POST', '/redemptions', {}), { code: 'offline' })
  const ago = (ms) => new Date(Date.now() - ms).toISOString()
  await exchange()
  phone.learnt('gift 5', ago(60_000)) // an older one of the same gift
  phone.learnt('gift 6', ago(0))
  await exchange()
  assert.equal(new Set(keys).size, 1, 'nobody knows yet what became of it')
  phone.learnt('gift 5', ago(0).replace(/\.\d+Z$/, 'Z')) // the server tells seconds
  await exchange()
  assert.equal(new Set(keys).size, 2, 'the next exchange is one of its own')
})

test('what was changed after a lost answer is the same write when the first had arrived', async () => {
  for (const [name, arrived, want] of [
    ['the first arrived', true, ['old', 'old', 'new', 'old']],
    ['it was lost on its way', false, ['old', 'old', 'new']],
  ]) {
    const phone = connect(name)
    phone.tokens = { accessToken: 'a' }
    const sent = []
    let known = null // what the server did, by its key
    globalThis.fetch = async (_, { body, headers }) => {
      const { to } = JSON.parse(body)
      sent.push(to)
      const key = headers['Idempotency-Key']
      if (sent.length <= 2) {
        if (arrived) known = { key, to }
        throw new TypeError('the line is cut')
      }
      if (known?.key === key && known.to !== to) return Response.json({ code: 'request.reused' }, { status: 422 })
      known ??= { key, to }
      return Response.json(known)
    }
    await assert.rejects(phone.once('gift', 'POST', '/redemptions', { to: 'old' }), { code: 'offline' }, name)
    const answer = await phone.once('gift', 'POST', '/redemptions', { to: 'new' })
    assert.deepEqual([sent, answer.to], [want, arrived ? 'old' : 'new'], name)
    assert.equal(phone.unsure.size, 0, name)
  }
})
