// The browser's check of a proof agrees with the reference's vectors.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { commitmentOf, sharesOf, verify } from '../phone/mini/proof.js'

const vectors = JSON.parse(await readFile(new URL('../../service/redpacket/testdata/proof.json', import.meta.url)))

for (const vector of vectors) {
  const proof = vector.proof ?? vector
  test(`follows the vector of pot ${proof.pot}`, async () => {
    assert.equal(await commitmentOf(proof), proof.commitment)
    assert.deepEqual(await sharesOf(proof), proof.shares)
    const steps = await verify(proof, proof)
    assert.ok(steps.every((s) => s.ok), JSON.stringify(steps))
  })
}

test('finds what was changed', async () => {
  const proof = vectors[0].proof ?? vectors[0]
  const held = async (changed, shown = proof) => (await verify({ ...proof, ...changed }, shown)).map((s) => s.ok)
  assert.deepEqual(await held({ shares: proof.shares.toReversed() }), [true, false, true], 'shares in another order')
  assert.deepEqual(await held({ pot: '1' }), [false, true, true], 'another pot')
  assert.deepEqual(await held({}, { ...proof, commitment: '0'.repeat(64) }), [false, true, true], 'another commitment on opening')
  assert.deepEqual(await held({}, { ...proof, amounts: [1000] }), [true, true, false], 'another list on opening')
  assert.deepEqual(await held({ seed: '0'.repeat(64) }), [false, false, false], 'another seed')
  await assert.rejects(verify({ ...proof, seed: undefined }, proof), /不完整/)
})
