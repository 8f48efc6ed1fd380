// Package material keeps what is said to members: texts with variables, pictures,
// news articles, mini-program cards and the templates that WeChat approved, in
// folders with tags, and the kits that bind an article, a game and an offer.
//
// Invariants:
//   - a published version never changes: a change is another version;
//   - a version is published by somebody who wrote no word of it (in the UPDATE);
//   - what is published fits at least one channel, and every variable of it has a
//     fallback, so that it can be rendered for everybody;
//   - a value from outside brings no markup, control character or line of its own;
//   - a version of a kit never changes at all.
//
// Tables: material_folder, material, material_tag, material_version, material_author,
// material_picture, material_template, material_kit, material_kit_version. No other
// package touches them. Redis keys: none.
package material

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// The faults of this domain.
var (
	ErrUnknown   = fault.New(fault.NotFound, "material.unknown", "没有这个素材")
	ErrVersion   = fault.New(fault.NotFound, "material.no_version", "没有这个素材版本")
	ErrFolder    = fault.New(fault.Invalid, "material.folder", "文件夹名称应为1到20个字，不能以=、+、-、@开头；文件夹最多五层")
	ErrNoFolder  = fault.New(fault.NotFound, "material.no_folder", "没有这个文件夹")
	ErrTaken     = fault.New(fault.Conflict, "material.folder_taken", "同一位置已有同名文件夹")
	ErrNotEmpty  = fault.New(fault.Conflict, "material.folder_not_empty", "文件夹里还有素材或文件夹，请先移走")
	ErrName      = fault.New(fault.Invalid, "material.name", "名称应为1到40个字，且不能以=、+、-、@开头")
	ErrTag       = fault.New(fault.Invalid, "material.tag", "标签应为1到12个字，最多10个")
	ErrKind      = fault.New(fault.Invalid, "material.kind", "素材类型不正确")
	ErrBody      = fault.New(fault.Invalid, "material.body", "素材内容不正确")
	ErrOpen      = fault.New(fault.Conflict, "material.open", "该素材已有草稿，请先完成或放弃它")
	ErrState     = fault.New(fault.Conflict, "material.state", "该版本的状态已变化，请刷新后再试")
	ErrEdited    = fault.New(fault.Conflict, "material.edited", "内容已被他人修改，请刷新后再试")
	ErrSelf      = fault.New(fault.Forbidden, "material.self", "不能审核自己编辑过的内容，请由另一位同事审核")
	ErrNote      = fault.New(fault.Invalid, "material.note", "请填写退回原因，最多200个字")
	ErrRetired   = fault.New(fault.Conflict, "material.retired", "该素材已停用")
	ErrChannel   = fault.New(fault.Invalid, "material.channel", "该素材不能通过这个渠道发送")
	ErrFull      = fault.New(fault.Limited, "material.full", "数量已达上限，请先整理")
	ErrUnrenders = fault.New(fault.Unavailable, "material.values", "暂时取不到会员资料，请稍后再试")
)

// Kind is what a material is.
type Kind string

// The kinds.
const (
	Text   Kind = "text"   // 文本
	Image  Kind = "image"  // 图片
	News   Kind = "news"   // 图文
	Card   Kind = "card"   // 小程序卡片
	Notice Kind = "notice" // 模板消息、订阅通知、订阅消息
)

// The bounds of what is kept.
const (
	maxBody = 60_000 // bytes of a body as JSON, for its column
	maxName = 40     // characters
	maxTag  = 12     // characters
	maxTags = 10     // of one material
	maxNote = 200    // characters
	maxPage = 100    // entries of one page
)

// NamedKind is a kind with its Chinese name.
type NamedKind struct {
	Kind Kind
	Name string
}

// Kinds are all of them with their Chinese names, in the order of a page.
var Kinds = []NamedKind{{Text, "文本"}, {Image, "图片"}, {News, "图文"}, {Card, "小程序卡片"}, {Notice, "模板与订阅消息"}}

// State is where a version is.
type State string

// The states. Published and Discarded are final.
const (
	Draft     State = "draft"     // being written
	Review    State = "review"    // waits for a second person
	Published State = "published" // never changes again
	Discarded State = "discarded"
)

// Material is an entry of the library.
type Material struct {
	ID        model.ID
	Folder    model.ID // 0: the top
	Kind      Kind
	Name      string
	Tags      []string
	Open      model.ID // the version that is written or reviewed; 0: none
	Live      model.ID // the version that was published last; 0: none
	Retired   bool     // not for new use; what uses it goes on
	Revision  int64    // of folder, name, tags and retirement; a change names the one it is of
	CreatedBy model.ID
	CreatedAt model.Millis
	UpdatedAt model.Millis
}

// Version is one wording of a material.
type Version struct {
	ID          model.ID
	Material    model.ID
	Number      int // 1, 2, … of its material
	Kind        Kind
	State       State
	Revision    int64 // of the body, while it is a draft
	Body        Body
	Note        string // why it was sent back
	CreatedBy   model.ID
	CreatedAt   model.Millis
	SubmittedBy model.ID
	SubmittedAt model.Millis
	CheckedBy   model.ID // who published it
	CheckedAt   model.Millis
}

// What the domain needs from others.
type (
	// valuer knows the values of variables: one map a member, by the variable's name;
	// what is not known is missing. It never asks the carrier.
	valuer interface {
		Values(ctx context.Context, members []model.MemberID, names []string) ([]map[string]string, error)
	}
	// auditor writes one row of the audit in the transaction of what it tells.
	auditor interface {
		RecordTx(ctx context.Context, tx *sql.Tx, e model.AuditEntry) error
	}
	// store is WeChat's material store.
	store interface {
		// AddPicture keeps a picture for good and returns its media id and its address.
		AddPicture(ctx context.Context, name string, content []byte) (mediaID, url string, err error)
	}
	// catalogue knows what else a kit binds; each answers its title.
	catalogue interface {
		Game(ctx context.Context, id model.ID) (string, error)
		Offer(ctx context.Context, o Offer) (string, error)
	}
)

// Deps are what the domain needs from outside; all are required.
type Deps struct {
	DB        *sql.DB
	IDs       *model.IDs
	Now       model.Clock
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Values    valuer
	Audit     auditor
	Store     store
	Catalogue catalogue
}

// Options have good defaults.
type Options struct {
	Cached int // versions kept ready in memory; default 512
}

// Materials is the library. It is safe for use by many goroutines.
type Materials struct {
	Deps
	opts Options
	q    *db.Queries

	mu    sync.Mutex
	ready map[model.ID]*compiled // of published versions, which never change

	rendered *prometheus.CounterVec
}

// New returns the library.
func New(deps Deps, opts Options) (*Materials, error) {
	opts.Cached = cmp.Or(opts.Cached, 512)
	m := &Materials{
		Deps: deps, opts: opts, q: db.New(sqldb.Alone{DB: deps.DB}), ready: map[model.ID]*compiled{},
		rendered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "material_rendered_total", Help: "Messages made ready for a member, by whether his own values or the fallbacks were used.",
		}, []string{"with"}),
	}
	if err := deps.Metrics.Register(m.rendered); err != nil {
		return nil, fmt.Errorf("register the metrics of the material: %w", err)
	}
	return m, nil
}

func (m *Materials) millis() int64 { return int64(model.At(m.Now())) }

// plain tells whether a name of 1…n characters can be kept: on one line, without
// control characters, and nothing that a spreadsheet would take for a formula.
func plain(s string, n int) bool {
	if s == "" || strings.TrimSpace(s) != s || utf8.RuneCountInString(s) > n || sheet.Formula(s) {
		return false
	}
	return unprintable(s, "") == "" && !strings.ContainsAny(s, "<>\n")
}

// record writes the audit's row of an action.
func (m *Materials) record(ctx context.Context, tx *sql.Tx, by model.ID, action, kind string, id model.ID, detail any) error {
	return m.Audit.RecordTx(ctx, tx, model.AuditEntry{
		Operator: by, Action: action, Target: model.Ref{Type: kind, ID: id.String()}, Detail: detail,
	})
}
