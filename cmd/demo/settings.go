package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"kaimenhong/config"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/wechat"
)

// carrierToken opens the sandbox's carrier and nothing else.
const carrierToken = "sandbox-carrier-token"

// settings are those of an application beside its sandbox. The keys that seal what
// is stored are made at the first start and kept beside the data.
func settings(base, data string) (config.Config, error) {
	cfg := config.Default()
	cfg.Database.DSN = config.Secret("sqlite:" + filepath.Join(data, "kaimenhong.db"))
	cfg.Redis.Addrs = []string{config.EmbeddedRedis}
	cfg.WeChat.AppID, cfg.WeChat.AppSecret = sandbox.DefaultAppID, sandbox.DefaultAppSecret
	cfg.WeChat.MiniAppID, cfg.WeChat.MiniAppSecret = sandbox.DefaultMiniAppID, sandbox.DefaultMiniAppSecret
	cfg.WeChat.Token, cfg.WeChat.EncodingAESKey = sandbox.DefaultToken, sandbox.DefaultAESKey
	cfg.WeChat.MiniToken, cfg.WeChat.MiniEncodingAESKey = sandbox.DefaultToken, sandbox.DefaultAESKey
	cfg.WeChat.BaseURL = base + "/sandbox/wechat"
	cfg.Carrier.BaseURL, cfg.Carrier.Token = base+"/sandbox/carrier", carrierToken
	cfg.Carrier.Packs = []string{"1024=OF-DATA-1G-1D", "5120=OF-DATA-5G-7D"}
	cfg.WeChat.RedpacketTemplate = templateOf("红包进度提醒")
	cfg.SMS.BaseURL, cfg.SMS.Token = base+"/sandbox/sms", sandbox.DefaultSMSToken
	cfg.Chat.Name = "开门红营业厅"
	cfg.Chat.NewsPage, cfg.Chat.ServicesPage = "", "" // the demo's mini-program has neither
	cfg.Chat.Welcomes = []string{
		"store_tianhe=欢迎光临天河营业厅！店里排队时，话费和流量在这里就能查。",
		"campaign_spring=开门红来啦！和家人一起凑满众筹红包，回复“红包”看看怎么玩。",
		"sim_card=新卡到手，欢迎！绑定号码后，余额和流量随时问我。",
	}
	phone, err := key(filepath.Join(data, "phone.key"))
	if err != nil {
		return cfg, err
	}
	session, err := key(filepath.Join(data, "session.key"))
	if err != nil {
		return cfg, err
	}
	cfg.Security.PasswordAlone = true // the demo's passwords are printed anyway
	cfg.Security.PhoneKey, cfg.Security.SessionKey = config.Secret("1:"+phone), config.Secret(session)
	return cfg, nil
}

// templateOf is the id of the mini-program's subscribe template of a title in the
// sandbox; "" without one.
func templateOf(title string) string {
	for _, t := range wechat.DefaultTemplates() {
		if t.Kind == wechat.MiniTemplate && t.Title == title {
			return t.ID
		}
	}
	return ""
}

// key reads a key of 32 bytes in base64, and makes it when it is not there yet.
func key(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		return string(content), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read a key: %w", err)
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(raw)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("keep a key: %w", err)
	}
	return text, nil
}

// lock makes sure that one demo at a time works on the data.
func lock(data string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another demo is running on %s; stop it or choose another --data", data), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
