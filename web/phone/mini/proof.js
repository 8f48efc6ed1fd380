// Checks the proof of a pot in the browser; docs/proof.md says it byte by byte.

const COMMITMENT = 'kaimenhong/redpacket/commitment/v1'
const SHARES = 'kaimenhong/redpacket/shares/v1'
const SPLITS = { double_mean: 1, equal: 2 }
const MAX_HELPS = 10_000

const ascii = (text) => new TextEncoder().encode(text)
const hexOf = (bytes) => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, '0')).join('')
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))

function big(value, size) {
  const out = new Uint8Array(size)
  for (let left = BigInt(value), i = size - 1; i >= 0; i--, left >>= 8n) out[i] = Number(left & 255n)
  return out
}

function join(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** The commitment that follows from a pot's numbers and its seed. */
export async function commitmentOf({ pot, helps, target, split, seed }) {
  const said = join(ascii(COMMITMENT), [0], big(pot, 8), big(helps, 4), big(target, 8), [SPLITS[split]], bytesOf(seed))
  return hexOf(await crypto.subtle.digest('SHA-256', said))
}

/** The words that follow from a seed, one after the other. */
async function* words(seed) {
  const key = await crypto.subtle.importKey('raw', bytesOf(seed), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  for (let i = 0; ; i++) {
    const block = new DataView(await crypto.subtle.sign('HMAC', key, join(ascii(SHARES), [0], big(i, 8))))
    for (let at = 0; at < 32; at += 8) yield block.getBigUint64(at)
  }
}

async function below(m, from) {
  const most = 2n ** 64n - 1n - (2n ** 64n % m)
  for (;;) {
    const { value } = await from.next()
    if (value <= most) return value % m
  }
}

/** The shares that follow from the seed, in the order of the helps. */
export async function sharesOf({ helps, target, split, seed }) {
  if (split === 'equal') {
    return Array.from({ length: helps }, (_, i) => Math.floor(target / helps) + (i < target % helps ? 1 : 0))
  }
  const from = words(seed)
  const shares = []
  let left = BigInt(target)
  for (let k = 1; k < helps; k++) {
    const mean = left / BigInt(helps - k + 1)
    const share = 1n + (await below(2n * mean - 1n, from))
    shares.push(Number(share))
    left -= share
  }
  return [...shares, Number(left)]
}

const same = (a, b) => a?.length === b?.length && a.every((x, i) => x === b[i])

function readable(p) {
  const numbers = p.helps >= 1 && p.helps <= MAX_HELPS && p.target >= p.helps && SPLITS[p.split]
  return p.version === 1 && numbers && /^[0-9a-f]{64}$/.test(p.seed) && /^[0-9a-f]{64}$/.test(p.commitment)
}

/**
 * Checks a published proof against what was shown on opening, {commitment, amounts}.
 * Answers the three steps, each with whether it holds.
 */
export async function verify(proof, shown) {
  if (!globalThis.crypto?.subtle) throw new Error('浏览器只在 https 或本机地址下提供验算功能')
  if (!readable(proof)) throw new Error('公布的凭证不完整，无法验算')
  const [commitment, shares] = await Promise.all([commitmentOf(proof), sharesOf(proof)])
  const sorted = shares.toSorted((a, b) => a - b)
  return [
    { name: '由公布的种子算出的指纹，与开启时公示的一致', ok: commitment === proof.commitment && commitment === shown.commitment },
    { name: '由种子算出的每一份，与实际发放的一致', ok: same(shares, proof.shares) },
    { name: '排序后与开启时公示的金额清单一致', ok: same(sorted, proof.amounts) && same(sorted, shown.amounts) },
  ]
}
