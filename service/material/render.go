package material

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"kaimenhong/model"
)

// ordered are the keys of a map in their order.
func ordered[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// message makes the body ready for one member. A text that his own values would make
// too long, or of a wrong form, says its fallbacks; own tells whether none did.
func (c *compiled) message(values map[string]string) (m model.Message, own bool) {
	texts := make(map[string]string, len(c.slots))
	own = true
	for _, s := range c.slots {
		text, all := s.words.with(values)
		if s.wrong(text) != "" {
			text, all = s.words.bare(), false
		}
		texts[s.field], own = text, own && all
	}
	return c.laid(texts), own
}

// laid puts the texts where they belong.
func (c *compiled) laid(texts map[string]string) model.Message {
	b := c.body
	switch c.kind {
	case Text:
		return model.Message{Content: model.Text(texts["text"])}
	case Image:
		return model.Message{Content: model.Content{Kind: model.ImageContent, MediaID: c.pictures[b.Picture].MediaID}}
	case Card:
		return model.Message{Content: model.Content{
			Kind: model.CardContent, Title: texts["title"], AppID: b.AppID, Page: b.Page, ThumbID: c.pictures[b.Picture].MediaID,
		}}
	case News:
		content := model.Content{Kind: model.NewsContent, MediaID: b.LibraryID}
		for i, a := range b.Articles {
			at := articleField(i)
			content.Articles = append(content.Articles, model.Article{
				Title: texts[at+"title"], Description: texts[at+"description"], PictureURL: c.pictures[a.Picture].URL, URL: a.URL,
			})
		}
		return model.Message{Content: content}
	}
	data := make(map[string]string, len(c.template.Fields))
	for _, f := range c.template.Fields {
		data[f.Name] = texts["fields."+f.Name]
	}
	return model.Message{Template: c.template.WeChatID, Data: data, AppID: b.AppID, Page: b.Page, URL: b.URL}
}

// maxRender bounds the members of one call.
const maxRender = 1000

// Render makes a published version ready for each of at most 1,000 members: the
// slices are as long as members, and a member has a message or an error. Retiring a
// material does not change what was published of it.
//
// Errors, the same for every member: ErrVersion, ErrState of a version that is not
// published, ErrUnrenders when the values cannot be read.
func (m *Materials) Render(ctx context.Context, version model.ID, members []model.MemberID) ([]model.Message, []error) {
	messages, errs := make([]model.Message, len(members)), make([]error, len(members))
	fail := func(err error) ([]model.Message, []error) {
		for i := range errs {
			errs[i] = err
		}
		return messages, errs
	}
	if len(members) > maxRender {
		return fail(ErrBody.Saying("一次最多处理%d名会员", maxRender))
	}
	c, err := m.published(ctx, version)
	if err != nil {
		return fail(err)
	}
	values, err := m.valuesOf(ctx, members, c.variables())
	if err != nil {
		return fail(err)
	}
	for i := range members {
		var own bool
		messages[i], own = c.message(values[i])
		m.rendered.WithLabelValues(map[bool]string{true: "values", false: "fallbacks"}[own]).Inc()
	}
	return messages, errs
}

// today is the one variable whose value everybody has.
const today = "今天"

// valuesOf reads the values of the members; what is the same for all it knows itself.
func (m *Materials) valuesOf(ctx context.Context, members []model.MemberID, names []string) ([]map[string]string, error) {
	now := m.Now().In(model.Shanghai)
	day := fmt.Sprintf("%d月%d日", now.Month(), now.Day())
	asked := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == today })
	values := make([]map[string]string, len(members))
	if len(asked) > 0 && len(members) > 0 {
		var err error
		values, err = m.Values.Values(ctx, members, asked)
		if err != nil || len(values) != len(members) {
			return nil, ErrUnrenders.With(err)
		}
	}
	for i := range values {
		if values[i] == nil {
			values[i] = make(map[string]string, 1)
		}
		values[i][today] = day
	}
	return values, nil
}

// Preview is a version as one member would get it.
type Preview struct {
	Message model.Message
	Own     bool // he has a value for every variable, and they fit
	// Values are those that are known of him, of the variables that it names.
	Values   map[string]string
	Problems []Problem
	Channels []Fit
}

// Fit tells whether a channel takes a version.
type Fit struct {
	Channel model.Channel
	Name    string
	Why     string // why not; empty when it does
}

// fits asks every channel.
func (c *compiled) fits() []Fit {
	all := make([]Fit, 0, len(Channels))
	for _, ch := range Channels {
		all = append(all, Fit{ch.Channel, ch.Name, c.refuses(ch.Channel)})
	}
	return all
}

// Preview shows a version of any state to its author; member 0 is somebody with the
// sample of every value.
//
// Errors: ErrVersion, ErrUnrenders.
func (m *Materials) Preview(ctx context.Context, version model.ID, member model.MemberID) (Preview, error) {
	v, err := m.Version(ctx, version)
	if err != nil {
		return Preview{}, err
	}
	c, err := m.compile(ctx, v.Kind, v.Body)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Values: sampleValues, Problems: c.problems, Channels: c.fits()}
	names := c.variables()
	if member != 0 {
		all, err := m.valuesOf(ctx, []model.MemberID{member}, names)
		if err != nil {
			return Preview{}, err
		}
		p.Values = all[0]
	}
	p.Message, p.Own = c.message(p.Values)
	shown := map[string]string{}
	for _, name := range names {
		if value := tame(p.Values[name]); value != "" {
			shown[name] = value
		}
	}
	p.Values = shown
	return p, nil
}

// Check tells what is wrong with a body that was not saved yet, and which channels
// would take it.
func (m *Materials) Check(ctx context.Context, kind Kind, b Body) ([]Problem, []Fit, error) {
	c, err := m.draft(ctx, kind, b)
	if err != nil {
		return nil, nil, err
	}
	return c.problems, c.fits(), nil
}

// Fits tells whether a published version may be planned to go through the channel.
//
// Errors: ErrVersion, ErrState, ErrChannel with the reason.
func (m *Materials) Fits(ctx context.Context, version model.ID, channel model.Channel) error {
	c, err := m.published(ctx, version)
	if err != nil {
		return err
	}
	if why := c.refuses(channel); why != "" {
		return ErrChannel.Saying("%s", why)
	}
	if c.template.ID == 0 {
		return nil
	}
	t, err := m.Template(ctx, c.template.ID) // what is kept in memory may be older than its end
	if err != nil {
		return err
	}
	if t.RetiredAt != 0 {
		return ErrChannel.Saying("模板“%s”已停用，请改用其他模板的素材", t.Title)
	}
	return nil
}

// published is a published version made ready; it is kept in memory, for it never
// changes.
func (m *Materials) published(ctx context.Context, version model.ID) (*compiled, error) {
	m.mu.Lock()
	c, found := m.ready[version]
	m.mu.Unlock()
	if found {
		return c, nil
	}
	v, err := m.Version(ctx, version)
	if err != nil {
		return nil, err
	}
	if v.State != Published {
		return nil, ErrState.Saying("该版本尚未发布")
	}
	if c, err = m.compile(ctx, v.Kind, v.Body); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ready) >= m.opts.Cached {
		clear(m.ready) // rarely: a campaign uses a few
	}
	m.ready[version] = c
	return c, nil
}
