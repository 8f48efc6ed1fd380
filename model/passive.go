package model

import (
	"strings"
	"unicode/utf8"
)

// Passive tells whether WeChat takes the content as the answer to a callback. What
// it does not take goes by customer-service message instead: a mini-program card
// always, and towards a mini-program everything but the hand-over to a person.
//
// Rule: developers.weixin.qq.com, 被动回复用户消息, and for mini-programs 客服消息.
func (c Content) Passive(app App) bool {
	switch c.Kind {
	case NoContent, TransferContent:
		return true
	case TextContent, ImageContent, VoiceContent, VideoContent, MusicContent, NewsContent:
		return app == OfficialAccount
	}
	return false
}

// CutBytes is as much of s as fits into n bytes, in characters that every engine takes:
// half a character at the end, or what is none, is left out.
func CutBytes(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

// CutText shortens s to MaxText bytes, at the end of a character, and says so with
// an ellipsis.
func CutText(s string) string {
	if len(s) <= MaxText {
		return s
	}
	const ellipsis = "…"
	end := MaxText - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
