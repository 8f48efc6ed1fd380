// An envelope that is watched, without a browser: what was asked last is what is shown.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usePot } from '../phone/mini/pots/watch.js'

const pot = (helped) => ({ id: '1', campaignId: '2', status: 'open', secondsLeft: 60, helped, amountsFen: [], commitment: '' })
const turns = () => new Promise(setImmediate)

test('a look that answers late does not undo a later one', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const asked = []
  const api = {
    get: (path) => (path.startsWith('/pots') ? new Promise((answer, fail) => asked.push({ answer, fail })) : Promise.resolve({})),
  }
  const live = usePot(api, '1')
  const help = live.look() // as after a tap, while the first look is still on its way
  asked[1].answer(pot(1))
  await help
  assert.equal(live.pot.helped, 1)
  asked[0].answer(pot(0))
  await turns()
  assert.equal(live.pot.helped, 1, 'what was seen before the help stands over it')

  const slow = live.look()
  const quick = live.look()
  asked[3].answer(pot(2))
  await quick
  asked[2].fail(new Error('网络不太好，请稍后再试'))
  await slow
  assert.equal(live.problem, '', 'an old look that failed is told of')
  assert.equal(live.busy, false)
})
