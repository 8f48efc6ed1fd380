package chat

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
)

// The limits of a rule.
const (
	maxPattern     = 64   // characters
	maxPriority    = 1000 // either way
	maxTitle       = 64   // characters
	maxDescription = 256  // characters
	maxURL         = 1024 // bytes
	maxMediaID     = 128  // bytes
)

// check says what is wrong with the rule, as ErrRule.
func (r Rule) check() error {
	switch r.How {
	case Exact, Prefix, Contains:
	default:
		return ErrRule.Saying("匹配方式应为 exact、prefix 或 contains")
	}
	switch {
	case !utf8.ValidString(r.Pattern) || utf8.RuneCountInString(r.Pattern) > maxPattern:
		return ErrRule.Saying("关键词最多 %d个字", maxPattern)
	case len(fold(r.Pattern).runes) == 0:
		return ErrRule.Saying("关键词里至少要有一个字、字母、数字或表情")
	case r.Priority < -maxPriority || r.Priority > maxPriority:
		return ErrRule.Saying("优先级应在 -%d 到 %d 之间", maxPriority, maxPriority)
	case r.StartsAt < 0 || r.EndsAt < 0:
		return ErrRule.Saying("有效期的时间有误")
	case r.EndsAt != 0 && r.EndsAt <= r.StartsAt:
		return ErrRule.Saying("结束时间应晚于开始时间")
	}
	return checkContent(r.Content)
}

func checkContent(c model.Content) error {
	switch c.Kind {
	case model.TextContent:
		if !within(c.Text, model.MaxText) || strings.TrimSpace(c.Text) == "" {
			return ErrRule.Saying("回复文字应为 1 到 %d 字节", model.MaxText)
		}
	case model.ImageContent:
		if c.MediaID == "" || !within(c.MediaID, maxMediaID) {
			return ErrRule.Saying("图片回复要有素材编号，最多 %d 字节", maxMediaID)
		}
	case model.NewsContent:
		return checkNews(c.Articles)
	case model.CardContent:
		switch {
		case c.Title == "" || !short(c.Title, maxTitle):
			return ErrRule.Saying("小程序卡片的标题应为 1 到 %d个字", maxTitle)
		case c.AppID == "" || !within(c.AppID, maxMediaID) || c.Page == "" || !within(c.Page, maxURL):
			return ErrRule.Saying("小程序卡片要有 appid 和页面路径")
		case c.ThumbID == "" || !within(c.ThumbID, maxMediaID):
			return ErrRule.Saying("小程序卡片要有封面素材编号")
		}
	default:
		return ErrRule.Saying("回复应为文字、图片、图文或小程序卡片")
	}
	return nil
}

// checkNews takes one article: WeChat shows no more in reply to a message.
func checkNews(articles []model.Article) error {
	if len(articles) != 1 {
		return ErrRule.Saying("图文回复应有且只有一篇文章")
	}
	a := articles[0]
	switch {
	case a.Title == "" || !short(a.Title, maxTitle):
		return ErrRule.Saying("文章标题应为 1 到 %d个字", maxTitle)
	case !short(a.Description, maxDescription):
		return ErrRule.Saying("文章描述最多 %d个字", maxDescription)
	case !webAddress(a.URL), a.PictureURL != "" && !webAddress(a.PictureURL):
		return ErrRule.Saying("文章链接应以 http:// 或 https:// 开头，最多 %d 字节", maxURL)
	}
	return nil
}

func within(s string, bytes int) bool { return len(s) <= bytes && utf8.ValidString(s) }

func short(s string, runes int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= runes
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && within(s, maxURL) && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
