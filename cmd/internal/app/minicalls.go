package app

import (
	"context"
	"fmt"

	"kaimenhong/handler"
	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

// miniCalls takes what the mini-program's side of WeChat pushes: what became of
// subscribe messages, and what people write to its customer service. A repeat changes
// nothing, for a report is kept under its message, so that no inbox is needed: what
// fails is answered so that WeChat tries again.
type miniCalls struct{ d *domains }

// Do runs the logic.
func (miniCalls) Do(ctx context.Context, _ model.Inbound, run func(context.Context) (model.Content, error)) (model.Content, error) {
	return run(ctx)
}

// Handle hands people over to the customer service and keeps what is reported.
func (m miniCalls) Handle(ctx context.Context, in model.Inbound) (model.Content, error) {
	switch in.Kind {
	case model.InText, model.InImage, "miniprogrampage":
		return model.Content{Kind: model.TransferContent}, nil
	}
	return model.Content{}, m.d.planner.Report(ctx, in)
}

// miniCallback is where the mini-program's side calls, if it does.
func (d *domains) miniCallback(g ground) (*handler.WeChat, error) {
	w := g.cfg.WeChat
	if w.MiniToken == "" {
		return nil, nil
	}
	codec, err := wechat.NewCodec(g.now, wechat.CodecOptions{
		App: model.MiniProgram, AppID: w.MiniAppID, Token: w.MiniToken.Reveal(), Mode: wechat.Mode(w.Mode),
		AESKey: w.MiniEncodingAESKey.Reveal(), PreviousAESKey: w.MiniPreviousAESKey.Reveal(), Window: w.Freshness,
	})
	if err != nil {
		return nil, fmt.Errorf("wechat: the mini-program: %w", err)
	}
	return handler.NewWeChat(codec, miniCalls{d}, miniCalls{d}, g.log, g.reg, handler.WeChatOptions{})
}
