package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
	"kaimenhong/sandbox"
	"kaimenhong/web"
)

type outside struct{ Addr, Data, Callback string }

// start serves the sandbox and the phone page until a signal comes, and says which
// settings lead the application to it.
func (o *outside) start(ctx context.Context, _ []string) (err error) {
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := "http://" + listener.Addr().String()
	world, err := sandbox.New(sandbox.Options{
		CallbackURL: o.Callback, PublicURL: base + "/sandbox", CarrierToken: carrierToken,
		Dir: filepath.Join(o.Data, "sandbox"), Log: app.NewLog(config.Log{Level: "warn", Format: "text"}),
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	fmt.Printf(`The sandbox is running; lead the application to it with
export KMH_WECHAT_APP_ID=%s KMH_WECHAT_APP_SECRET=%s
export KMH_WECHAT_MINI_APP_ID=%s KMH_WECHAT_MINI_APP_SECRET=%s
export KMH_WECHAT_TOKEN=%s KMH_WECHAT_ENCODING_AES_KEY=%s KMH_WECHAT_MODE=safe
export KMH_WECHAT_BASE_URL=%s/sandbox/wechat
export KMH_CARRIER_BASE_URL=%s/sandbox/carrier KMH_CARRIER_TOKEN=%s
export KMH_SMS_BASE_URL=%s/sandbox/sms KMH_SMS_TOKEN=%s
  phone      %s/
`, sandbox.DefaultAppID, sandbox.DefaultAppSecret, sandbox.DefaultMiniAppID, sandbox.DefaultMiniAppSecret,
		sandbox.DefaultToken, sandbox.DefaultAESKey, base, base, carrierToken, base, sandbox.DefaultSMSToken, base)
	return app.Serve(ctx, listener, alone(world.Handler()), closeLimit)
}

// alone puts the phone page before the sandbox.
func alone(world http.Handler) http.Handler {
	pages := web.Files()
	mux := http.NewServeMux()
	mux.Handle("/sandbox/", http.StripPrefix("/sandbox", world))
	mux.Handle("/phone/", pages)
	mux.Handle("/assets/", pages)
	mux.Handle("GET /{$}", http.RedirectHandler("/phone/", http.StatusFound))
	return mux
}
