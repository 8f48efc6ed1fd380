package app

import (
	"context"

	"kaimenhong/service/chat"
	"kaimenhong/service/wechat"
)

// PublishMenu creates the account's menu at WeChat, instead of the one that is
// there.
func (a *App) PublishMenu(ctx context.Context) error {
	return a.domains.wechat.CreateMenu(ctx, buttons(a.domains.chat.Menu().Button))
}

func buttons(from []chat.Button) []*wechat.Button {
	var to []*wechat.Button
	for _, b := range from {
		to = append(to, &wechat.Button{
			Type: b.Type, Name: b.Name, Key: b.Key, URL: b.URL, AppID: b.AppID, PagePath: b.PagePath, SubButtons: buttons(b.SubButton),
		})
	}
	return to
}
