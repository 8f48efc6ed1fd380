package material

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/page"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// The faults of a template.
var (
	ErrTemplate      = fault.New(fault.Invalid, "material.template", "模板信息不正确")
	ErrTemplateTaken = fault.New(fault.Conflict, "material.template_taken", "该模板已登记")
	ErrNoTemplate    = fault.New(fault.NotFound, "material.no_template", "没有这个模板")
)

// Template is one that WeChat approved for the account.
type Template struct {
	ID        model.ID
	Channel   model.Channel // template, official or mini_subscribe
	WeChatID  string        // template_id
	Title     string
	Fields    []Field // in their order
	CreatedAt model.Millis
	RetiredAt model.Millis // 0: new material may use it
}

// Field is a place in a template.
type Field struct {
	Name  string // thing1
	Label string // 活动名称
	Takes string // what it takes, in words
}

// The bounds of a template.
const (
	maxTemplateID = 64
	maxContent    = 2000 // bytes
	maxFields     = 7
)

// fieldPlace is a field within a template as WeChat writes it.
var fieldPlace = regexp.MustCompile(`^\{\{([a-z_]+\d{1,3})\.DATA\}\}$`)

// parseContent reads a template as WeChat's page and its API show it: a line a
// field, 活动名称:{{thing1.DATA}}.
func parseContent(content string) ([]Field, error) {
	if len(content) > maxContent || unprintable(content, "\r\n") != "" {
		return nil, ErrTemplate
	}
	var fields []Field
	seen := map[string]bool{}
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at := strings.Index(line, "{{")
		if at < 0 {
			return nil, ErrTemplate.Saying("模板内容的每一行应为“名称:{{thing1.DATA}}”，请检查“%s”", line)
		}
		label := strings.TrimRight(strings.TrimSpace(line[:at]), ":： ")
		found := fieldPlace.FindStringSubmatch(line[at:])
		if found == nil || utf8.RuneCountInString(label) > maxName {
			return nil, ErrTemplate.Saying("模板内容的每一行应为“名称:{{thing1.DATA}}”，请检查“%s”", line)
		}
		name := found[1]
		rule, known := fieldRules[kindOfField(name)]
		if !known || seen[name] {
			return nil, ErrTemplate.Saying("不认识的字段“%s”，或同一字段出现两次", name)
		}
		seen[name] = true
		fields = append(fields, Field{name, label, rule.says})
	}
	if len(fields) == 0 || len(fields) > maxFields {
		return nil, ErrTemplate.Saying("模板应有1到%d个字段", maxFields)
	}
	return fields, nil
}

// AddTemplate registers a template, with its content as WeChat shows it.
//
// Errors: ErrTemplate, ErrTemplateTaken.
func (m *Materials) AddTemplate(ctx context.Context, by model.ID, channel model.Channel, wechatID, title, content string) (Template, error) {
	fields, err := parseContent(content)
	if err != nil {
		return Template{}, err
	}
	switch channel {
	case model.TemplateChannel, model.OfficialChannel, model.MiniChannel:
	default:
		return Template{}, ErrTemplate.Saying("模板的渠道应为模板消息、公众号订阅通知或小程序订阅消息")
	}
	if len(wechatID) > maxTemplateID || !model.RequestID(wechatID).Valid() || !plain(title, maxName) {
		return Template{}, ErrTemplate.Saying("请填写模板编号（template_id）和标题")
	}
	t := Template{ID: m.IDs.Next(), Channel: channel, WeChatID: wechatID, Title: title, Fields: fields, CreatedAt: model.At(m.Now())}
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		err := m.q.WithTx(tx).InsertTemplate(ctx, db.InsertTemplateParams{
			ID: int64(t.ID), Channel: string(channel), WechatID: wechatID, Title: title, Content: content, CreatedBy: int64(by), CreatedAt: int64(t.CreatedAt),
		})
		if sqldb.Duplicate(err) {
			return ErrTemplateTaken
		}
		if err != nil {
			return fmt.Errorf("insert template: %w", err)
		}
		return m.record(ctx, tx, by, "material.template_add", "template", t.ID, map[string]any{"channel": channel, "title": title})
	})
	if err != nil {
		return Template{}, err
	}
	return t, nil
}

// Template is one template.
//
// Errors: ErrNoTemplate.
func (m *Materials) Template(ctx context.Context, id model.ID) (Template, error) {
	row, err := m.q.Template(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Template{}, ErrNoTemplate
	}
	if err != nil {
		return Template{}, fmt.Errorf("read template %s: %w", id, err)
	}
	return template(row)
}

func template(r db.MaterialTemplate) (Template, error) {
	fields, err := parseContent(r.Content)
	if err != nil {
		return Template{}, fmt.Errorf("read template %d: %w", r.ID, err)
	}
	return Template{
		ID: model.ID(r.ID), Channel: model.Channel(r.Channel), WeChatID: r.WechatID, Title: r.Title, Fields: fields, CreatedAt: model.Millis(r.CreatedAt), RetiredAt: model.Millis(r.RetiredAt),
	}, nil
}

// RetireTemplate keeps new material from using a template: WeChat took it back, or it was
// registered wrongly. What was published with it is sent as before, and it may be
// registered anew. Retiring it twice is retiring it once.
//
// Errors: ErrNoTemplate.
func (m *Materials) RetireTemplate(ctx context.Context, by, id model.ID) error {
	return sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		n, err := q.RetireTemplate(ctx, db.RetireTemplateParams{ID: int64(id), Now: m.millis()})
		if err != nil {
			return fmt.Errorf("retire template %s: %w", id, err)
		}
		if n > 0 {
			return m.record(ctx, tx, by, "material.template_retire", "template", id, nil)
		}
		_, err = q.Template(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoTemplate
		}
		return err
	})
}

// Templates lists them in the order in which they were registered, those that are
// retired only when they are asked for.
//
// Errors: page.ErrCursor.
func (m *Materials) Templates(ctx context.Context, retired bool, cursor string, limit int) (list []Template, next string, err error) {
	after, err := page.After(cursor)
	if err != nil {
		return nil, "", err
	}
	size, most := page.Size(limit), int64(0)
	if retired {
		most = 1<<63 - 1
	}
	rows, err := m.q.TemplatesAfter(ctx, db.TemplatesAfterParams{After: after, RetiredTo: most, Limit: size + 1})
	if err != nil {
		return nil, "", fmt.Errorf("list the templates: %w", err)
	}
	rows, next = page.Cut(rows, size, func(r db.MaterialTemplate) string { return page.Cursor(r.ID) })
	for _, r := range rows {
		t, err := template(r)
		if err != nil {
			return nil, "", err
		}
		list = append(list, t)
	}
	return list, next, nil
}
