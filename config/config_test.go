package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kaimenhong/config"
)

func TestTheExampleIsTrue(t *testing.T) {
	cfg, err := config.Load("example.yaml", nil)
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	if want := config.Default(); !reflect.DeepEqual(cfg.Chat.Welcomes, []string{}) || cfg.Chat.Name != want.Chat.Name || cfg.Chat.AgentHours != want.Chat.AgentHours || cfg.Chat.Hotline != want.Chat.Hotline || cfg.Log != want.Log || cfg.WeChat.Freshness != want.WeChat.Freshness ||
		cfg.HTTP.Addr != want.HTTP.Addr || cfg.Carrier.Timeout != want.Carrier.Timeout || cfg.Trace != want.Trace || cfg.Push.DayCap != want.Push.DayCap || cfg.Push.WeekCap != want.Push.WeekCap {
		t.Errorf("the example's defaults differ from the program's: %+v, want %+v", cfg, want)
	}
	content, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	top := reflect.TypeFor[config.Config]()
	for i := range top.NumField() {
		section := top.Field(i)
		for j := range section.Type.NumField() {
			field := section.Type.Field(j)
			key := section.Tag.Get("koanf") + "." + field.Tag.Get("koanf")
			line := exampleLine(string(content), section.Tag.Get("koanf"), field.Tag.Get("koanf"))
			if line == "" {
				t.Errorf("the example does not explain %s", key)
			}
			if secret := field.Type == reflect.TypeFor[config.Secret](); secret != strings.Contains(line, "(secret)") {
				t.Errorf("the example marks %s as secret: %v, want %v", key, !secret, secret)
			}
		}
	}
}

// exampleLine is the line of a key within its section.
func exampleLine(content, section, key string) string {
	within := false
	for line := range strings.Lines(content) {
		if !strings.HasPrefix(line, " ") && strings.TrimSpace(line) != "" {
			within = strings.HasPrefix(line, section+":")
		}
		if within && strings.HasPrefix(line, "  "+key+":") {
			return line
		}
	}
	return ""
}

func TestTheEnvironmentComesAfterTheFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load("example.yaml", []string{
		"KMH_HTTP_ADDR=127.0.0.1:9", "KMH_REDIS_ADDRS=a:1, b:2", "KMH_WECHAT_APP_SECRET_FILE=" + secret,
		"KMH_CARRIER_TIMEOUT=1500ms", "KMH_REDIS_CLUSTER=true", "KMH_TEST_MYSQL_DSN=x", "PATH=/bin",
	})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	if cfg.HTTP.Addr != "127.0.0.1:9" || fmt.Sprint(cfg.Redis.Addrs) != "[a:1 b:2]" || !cfg.Redis.Cluster ||
		cfg.WeChat.AppSecret.Reveal() != "from-a-file" || cfg.Carrier.Timeout != 1500*time.Millisecond {
		t.Errorf("Load = %+v", cfg)
	}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("http:\n  adr: x\nwechat:\n  mode: secret-mode\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path, []string{
		"KMH_WECHAT_APPID=wx", "KMH_CARRIER_TIMEOUT=hunter2", "KMH_HTTP_ADDR_FILE=/x", "KMH_SMS_TOKEN_FILE=/does/not/exist",
		"KMH_SECURITY_PHONE_KEY=2:AAAA",
	})
	if err == nil {
		t.Fatal("Load = nil, want every mistake")
	}
	for _, want := range []string{
		"http.adr is no setting", "KMH_WECHAT_APPID is no setting", "KMH_CARRIER_TIMEOUT): a value of type", "KMH_HTTP_ADDR_FILE is no setting",
		"KMH_SMS_TOKEN_FILE", "wechat.mode", "database.dsn", "redis.addrs", "wechat.app_id", "wechat.token", "wechat.encoding_aes_key",
		"carrier.base_url", "security.phone_key", "security.session_key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats a value:\n%v", err)
	}
}

func TestASecretNeverShowsItself(t *testing.T) {
	s := struct{ S config.Secret }{"hunter2"}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%q", s.S), string(raw), s.S.LogValue().String()} {
		if strings.Contains(got, "hunter2") {
			t.Errorf("printed as %s", got)
		}
	}
}
