// What this phone saw of envelopes while they were open. The check of a proof compares
// with that: what the server says afterwards proves nothing about the time before.

const KEPT = 'kaimenhong.pots'
const MOST = 200 // the latest

function all() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? []
  } catch {
    return []
  }
}

/** Keeps what an open envelope shows; the first look stays. */
export function remember({ id, status, commitment, amountsFen }) {
  const known = all()
  if (status !== 'open' || known.some((p) => p.id === id)) return
  try {
    localStorage.setItem(KEPT, JSON.stringify([...known, { id, commitment, amounts: amountsFen }].slice(-MOST)))
  } catch {
    // Without storage the check says that it compares with the server's word.
  }
}

/** What was seen of an envelope, {commitment, amounts}, or undefined. */
export const seen = (id) => all().find((p) => p.id === id)
