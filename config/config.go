// Package config reads the settings: the defaults, then a YAML file, then the
// environment (KMH_<SECTION>_<KEY>; a secret also from the file that
// KMH_<SECTION>_<KEY>_FILE names). An unknown key is an error, and every mistake is
// reported at once. config/example.yaml explains each setting.
package config

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Config is every setting of the application.
type Config struct {
	HTTP     HTTP     `koanf:"http"`
	Database Database `koanf:"database"`
	Redis    Redis    `koanf:"redis"`
	WeChat   WeChat   `koanf:"wechat"`
	Carrier  Carrier  `koanf:"carrier"`
	SMS      SMS      `koanf:"sms"`
	Push     Push     `koanf:"push"`
	Security Security `koanf:"security"`
	Chat     Chat     `koanf:"chat"`
	Log      Log      `koanf:"log"`
	Trace    Trace    `koanf:"trace"`
}

// HTTP is where the application listens.
type HTTP struct {
	Addr            string        `koanf:"addr"`
	TrustedProxies  []string      `koanf:"trusted_proxies"`  // whose X-Forwarded-For is believed
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"` // for requests that are being answered
}

// Database is the book of record.
type Database struct {
	DSN     Secret `koanf:"dsn"`
	MaxOpen int    `koanf:"max_open"`
}

// Redis holds the game's state, sessions and caches. The one address "embedded"
// means a Redis within the process, for one replica only.
type Redis struct {
	Addrs    []string `koanf:"addrs"`
	Username string   `koanf:"username"`
	Password Secret   `koanf:"password"`
	DB       int      `koanf:"db"`
	Cluster  bool     `koanf:"cluster"`
}

// EmbeddedRedis is the address that asks for a Redis within the process.
const EmbeddedRedis = "embedded"

// Embedded tells whether the Redis within the process is asked for.
func (r Redis) Embedded() bool { return len(r.Addrs) == 1 && r.Addrs[0] == EmbeddedRedis }

// Mode is how WeChat sends callbacks; it is a setting of the account.
type Mode string

// The modes: 明文模式, 兼容模式, 安全模式.
const (
	Plain      Mode = "plain"
	Compatible Mode = "compatible"
	Safe       Mode = "safe"
)

// WeChat is the official account and the mini-program.
type WeChat struct {
	AppID          string        `koanf:"app_id"`
	AppSecret      Secret        `koanf:"app_secret"`
	Token          Secret        `koanf:"token"`
	EncodingAESKey Secret        `koanf:"encoding_aes_key"`
	PreviousAESKey Secret        `koanf:"previous_aes_key"`
	Mode           Mode          `koanf:"mode"`
	BaseURL        string        `koanf:"base_url"`
	Freshness      time.Duration `koanf:"freshness"` // how old a callback may be
	MiniAppID      string        `koanf:"mini_app_id"`
	MiniAppSecret  Secret        `koanf:"mini_app_secret"`
	// MiniToken and MiniEncodingAESKey are those of the mini-program's 消息推送, in the
	// same mode; empty: it pushes nothing here.
	MiniToken          Secret `koanf:"mini_token"`
	MiniEncodingAESKey Secret `koanf:"mini_encoding_aes_key"`
	MiniPreviousAESKey Secret `koanf:"mini_previous_aes_key"`
	// RedpacketTemplate is the mini-program's subscribe template for pots: thing1 the
	// campaign, thing2 the progress, thing3 a hint.
	RedpacketTemplate string `koanf:"redpacket_template"`
}

// Carrier is the TM Forum API of the operator's IT.
type Carrier struct {
	BaseURL string        `koanf:"base_url"`
	Token   Secret        `koanf:"token"`
	Brand   string        `koanf:"brand"`   // whose short codes subscribers know: mobile, unicom, telecom
	Timeout time.Duration `koanf:"timeout"` // of one call; what is late for a chat follows by customer-service message
	Levels  []string      `koanf:"levels"`  // of customers, lowest first: the first is tier 1 of the mall's gifts
	Packs   []string      `koanf:"packs"`   // what a data prize is ordered as: "1024=OF-DATA-1G" for so many megabytes
}

// SMS is the gateway for verification codes.
type SMS struct {
	BaseURL string `koanf:"base_url"`
	Token   Secret `koanf:"token"`
}

// Push bounds what campaigns send, all of them together.
type Push struct {
	DayCap  int      `koanf:"day_cap"`  // marketing messages to one member a day, whatever a plan allows; 0: only plans say
	WeekCap int      `koanf:"week_cap"` // in seven days
	Quotas  []string `koanf:"quotas"`   // what WeChat allows the account: "official=500000" a day, "mass=100/60" a day and a minute
}

// Security holds the application's own keys.
type Security struct {
	PhoneKey   Secret `koanf:"phone_key"`   // "1:BASE64,2:BASE64", 32 bytes each; the highest version encrypts
	SessionKey Secret `koanf:"session_key"` // signs the mini-program's access tokens: 32 bytes or more, base64
	// PasswordAlone lets operators work without a second factor: for a demonstration.
	PasswordAlone bool `koanf:"password_alone"`
}

// Chat is what the account says of itself and where it leads on to.
type Chat struct {
	Name          string   `koanf:"name"`           // of the account, in the welcome
	Welcomes      []string `koanf:"welcomes"`       // by source: "store_tianhe=欢迎…"; the source is the scene of a code
	AgentHours    string   `koanf:"agent_hours"`    // 08:00-22:00, when 人工 is there
	AgentDays     string   `koanf:"agent_days"`     // 1-7, Monday is 1
	Hotline       string   `koanf:"hotline"`        // for when 人工 is not
	TopUpPage     string   `koanf:"top_up_page"`    // pages of the mini-program
	MallPage      string   `koanf:"mall_page"`      //
	AccountPage   string   `koanf:"account_page"`   //
	DealsPage     string   `koanf:"deals_page"`     // 特惠
	NewsPage      string   `koanf:"news_page"`      // 最新业务
	ServicesPage  string   `koanf:"services_page"`  // 常用业务
	RedpacketPage string   `koanf:"redpacket_page"` //
}

// Log is how the program speaks of itself.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn, error
	Format string `koanf:"format"` // json, text
}

// Trace sends OpenTelemetry spans by OTLP over HTTP; off while Endpoint is empty.
type Trace struct {
	Endpoint string  `koanf:"endpoint"` // the whole URL
	Ratio    float64 `koanf:"ratio"`    // of the requests that are traced, 0 to 1
}

// Default returns the settings before anything is read.
func Default() Config {
	return Config{
		HTTP:    HTTP{Addr: ":8080", ShutdownTimeout: 10 * time.Second},
		WeChat:  WeChat{Mode: Safe, BaseURL: "https://api.weixin.qq.com", Freshness: 5 * time.Minute},
		Carrier: Carrier{Brand: "mobile", Timeout: 7 * time.Second, Levels: []string{"银卡", "金卡", "白金卡"}},
		Push:    Push{DayCap: 3, WeekCap: 10},
		Chat: Chat{
			Name: "营业厅", AgentHours: "08:00-22:00", AgentDays: "1-7", Hotline: "10086",
			TopUpPage: "pages/topup/index", MallPage: "pages/mall/index",
			AccountPage: "pages/home/index", DealsPage: "pages/mall/index", NewsPage: "pages/home/index", ServicesPage: "pages/home/index", RedpacketPage: "pages/redpacket/index",
		},
		Log:   Log{Level: "info", Format: "json"},
		Trace: Trace{Ratio: 0.01},
	}
}

// Secret is a setting that never shows itself: it prints, logs and marshals as
// ***. Reveal is the one way to it.
type Secret string

const masked = "***"

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// String is *** or nothing.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON is String.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
