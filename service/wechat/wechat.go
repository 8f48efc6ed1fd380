// Package wechat speaks with WeChat's official account and mini-program: it reads
// what WeChat posts to us (Codec) and calls WeChat's API.
//
// Inbound, these always hold:
//   - Nothing of a call is believed before its signature, its age, its padding and
//     its appid are right. Which of the three modes is in force is a setting; the
//     query string has no say in it.
//   - A wrong signature costs the same work as a right one.
//   - A body is at most MaxBody bytes, nested at most maxDepth deep, and has at
//     most MaxFields further fields; XML knows no document type, no entity beyond
//     the five, no comment.
//   - A reply that WeChat would refuse (empty, too long, no passive form) is never
//     written.
//
// Outbound (Client), these always hold:
//   - Every call has a deadline, a bounded answer and a circuit breaker before it.
//   - A send whose request may have reached WeChat and whose answer did not come is
//     ErrUnknown and is not repeated here.
//   - All replicas share one access_token; only the very one that WeChat refused is
//     dropped, and force_refresh is used at most once in 30 seconds.
//
// Keys, of each app: wechat:{appid}:token HASH value, expires, renew, bad;
// wechat:{appid}:lock; wechat:{appid}:forced. All of it can be had again from WeChat.
//
// The package owns no table. It keeps no message text, token or key in errors.
package wechat
