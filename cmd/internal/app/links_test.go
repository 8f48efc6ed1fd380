package app

import (
	"testing"

	"kaimenhong/config"
	"kaimenhong/service/chat"
)

func TestAPageThatTheMiniProgramLacksIsNotLinked(t *testing.T) {
	cfg := config.Default()
	cfg.WeChat.MiniAppID, cfg.Chat.NewsPage, cfg.Chat.ServicesPage = "wx1", "", ""
	opts, err := chatOptions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for intent, want := range map[chat.Intent]bool{chat.TopUp: true, chat.Redeem: true, chat.Deals: true, chat.News: false, chat.Services: false} {
		if _, linked := opts.Links[intent]; linked != want {
			t.Errorf("%s is linked = %v, want %v", intent, linked, want)
		}
	}
}
