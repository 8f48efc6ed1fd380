package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Check says all that is wrong at once: with the settings (what Load returned), the
// stores, WeChat's credentials and the carrier, as far as each can be reached
// without the others.
func Check(ctx context.Context, cfg config.Config, settings error) []model.Finding {
	findings := lines(errors.Join(settings, unread(cfg)), "config/example.yaml explains each setting")
	s, err := openStores(ctx, cfg)
	if err != nil {
		findings = append(findings, lines(err, "is the server there, and do the settings name it?")...)
	} else {
		defer s.stop()
		found, err := s.inspect(ctx)
		findings = append(append(findings, found...), lines(err, "does the user have the rights?")...)
		if settings == nil && !slices.ContainsFunc(findings, func(f model.Finding) bool { return f.Fatal }) { // the tables are there
			_, err := s.sealer(ctx, cfg)
			findings = append(findings, lines(err, "look for the key in your secret store")...)
		}
	}
	if settings != nil {
		return findings // WeChat and the carrier are asked with whole settings only
	}
	return append(findings, checkOutside(ctx, cfg, s)...)
}

// unread returns what is wrong with the settings that only those who use them read.
func unread(cfg config.Config) error {
	_, packs := packsOf(cfg)
	_, quotas := planning(cfg.Push)
	_, hours := agentHours(cfg.Chat.AgentDays, cfg.Chat.AgentHours)
	return errors.Join(packs, quotas, hours)
}

// checkOutside asks WeChat for a token and the carrier for an answer.
func checkOutside(ctx context.Context, cfg config.Config, s *stores) (findings []model.Finding) {
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	client, err := newCarrier(cfg, time.Now, log, reg, nil)
	if err == nil {
		err = client.Check(ctx)
	}
	findings = lines(err, "carrier.base_url and carrier.token: ask the carrier's IT")
	if s == nil {
		return findings // WeChat's tokens are shared through Redis
	}
	wx, err := newWeChat(cfg, s, time.Now, log, reg, nil)
	if err == nil {
		err = wx.Check(ctx)
	}
	return append(findings, lines(err, "wechat.app_id, wechat.app_secret, and the IP whitelist in 设置与开发 → 基本配置")...)
}

// lines makes each error of a join a finding, but a missing DSN, which the settings say.
func lines(err error, fix string) (findings []model.Finding) {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			findings = append(findings, lines(e, fix)...)
		}
		return findings
	}
	if errors.Is(err, errNoDSN) {
		return nil
	}
	what := strings.TrimSpace(err.Error())
	if f := fault.Of(err); f.Kind != fault.Internal || f.Code != "internal" {
		what += " (" + f.Text + ")"
	}
	return []model.Finding{{What: what, Fix: fix, Fatal: true}}
}
