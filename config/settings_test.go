package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaimenhong/config"
)

// said are the mistakes of the example with these changes.
func said(t *testing.T, environ ...string) string {
	t.Helper()
	_, err := config.Load("example.yaml", environ)
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAKeyCanBeRetiredAsTheRunbookSays(t *testing.T) {
	const key = "c3RvcnktcGhvbmUta2V5LTAxMjM0NTY3ODlhYmNkZWY="
	for _, tt := range []struct {
		name, keys string
		refused    bool
	}{
		{"the first", "1:" + key, false},
		{"a second beside it", "1:" + key + ",2:" + key, false},
		{"the first kept as the index alone", "2:" + key + ",index:" + key, false},
		{"an index alone", "index:" + key, true},
		{"a broken index", "1:" + key + ",index:AAAA", true},
		{"a short key", "1:AAAA", true},
		{"a version twice", "1:" + key + ",1:" + key, true},
	} {
		got := said(t, "KMH_SECURITY_PHONE_KEY="+tt.keys)
		if strings.Contains(got, "security.phone_key") != tt.refused || strings.Contains(got, key) {
			t.Errorf("%s: Load says %q, want refused %v and no key in it", tt.name, got, tt.refused)
		}
	}
}

func TestASecretIsGivenOneWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("fromfile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, other := "KMH_WECHAT_TOKEN=hunter2", "KMH_WECHAT_TOKEN_FILE="+file
	for _, environ := range [][]string{{one, other}, {other, one}} {
		if got := said(t, environ...); !strings.Contains(got, "KMH_WECHAT_TOKEN and KMH_WECHAT_TOKEN_FILE") || strings.Contains(got, "hunter2") {
			t.Errorf("both ways: Load says %q, want both named", got)
		}
	}
}

// Whoever mistakes the one name for the other writes the secret where a path belongs.
func TestAMissingSecretsFileIsNotNamed(t *testing.T) {
	if got := said(t, "KMH_WECHAT_TOKEN_FILE=hunter2"); !strings.Contains(got, "KMH_WECHAT_TOKEN_FILE: the secret's file cannot be opened: no such file") || strings.Contains(got, "hunter2") {
		t.Errorf("it says %q, want that the file is missing, without its name", got)
	}
}

// YAML makes 668 of 01234 and 10000000000 of 1e10: a secret is what was written.
func TestASecretWithoutQuotesIsNoNumber(t *testing.T) {
	for _, value := range []string{"01234", "1e10", "true", "2026-02-16"} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte("sms:\n  token: "+value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), "sms.token (KMH_SMS_TOKEN): write it in quotes") {
			t.Errorf("%s: %v, want that quotes are missing", value, err)
		}
		if err := os.WriteFile(path, []byte("sms:\n  token: '"+value+"'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if cfg, _ := config.Load(path, nil); cfg.SMS.Token.Reveal() != value {
			t.Errorf("'%s' is another secret", value)
		}
	}
}

func TestAProxyIsAnAddressOrANetwork(t *testing.T) {
	if got := said(t, "KMH_HTTP_TRUSTED_PROXIES=10.0.0.0/8,::1,192.0.2.7"); got != "" {
		t.Errorf("addresses and networks: Load says %q", got)
	}
	if got := said(t, "KMH_HTTP_TRUSTED_PROXIES=10.0.0.0/8,proxy.local"); !strings.Contains(got, "KMH_HTTP_TRUSTED_PROXIES") {
		t.Errorf("a name: Load says %q, want the setting named", got)
	}
	if got := said(t, "KMH_HTTP_ADDR=:99999"); !strings.Contains(got, "KMH_HTTP_ADDR") {
		t.Errorf("a port that cannot be: Load says %q, want the setting named", got)
	}
}
