package wechat

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"kaimenhong/model"
)

// media is an uploaded file: temporary for three days, or material for ever.
type media struct {
	ID   string       `json:"id"`
	Kind string       `json:"kind"` // image, voice, video, thumb
	Type string       `json:"type"` // content type
	Name string       `json:"name,omitempty"`
	Data []byte       `json:"data"`
	Made model.Millis `json:"made"`
	// Until is 0 for material.
	Until model.Millis `json:"until"`
}

// draft is a news article, or several, in the draft box.
type draft struct {
	Articles []article    `json:"articles"`
	Made     model.Millis `json:"made"`
}

type article struct {
	Title   string `json:"title"`
	Author  string `json:"author,omitempty"`
	Digest  string `json:"digest,omitempty"`
	Content string `json:"content"`
	Source  string `json:"content_source_url,omitempty"`
	ThumbID string `json:"thumb_media_id"`
}

// The limits of media.
const (
	mediaLife      = 3 * 24 * time.Hour
	maxMediaBytes  = 10 << 20
	maxMediaCount  = 2000
	maxMediaMemory = 64 << 20
	maxArticles    = 8
	maxDraft       = 1000
	maxTitle       = 64 // letters
)

// byKind are the sizes that WeChat takes.
var byKind = map[string]int{"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "thumb": 64 << 10}

// upload is the file of a form.
type upload struct {
	name string
	data []byte
}

// readUpload takes the part named media.
func (c *call) readUpload(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxMediaBytes+maxAPIBody)
	parts, err := r.MultipartReader()
	if err != nil {
		return errcode(41005, "media data missing")
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errMediaSize
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return errMediaSize
		}
		if part.FormName() == "media" {
			c.file = &upload{part.FileName(), data}
		} else if part.FormName() == "description" {
			c.body = data
		}
	}
}

// keepMedia stores a file; the lock is held.
func (p *Platform) keepMedia(kind string, data []byte, forEver bool) (*media, error) {
	limit, ok := byKind[kind]
	if !ok {
		return nil, errMediaType
	}
	if len(data) == 0 {
		return nil, errcode(41005, "media data missing")
	}
	if len(data) > limit {
		return nil, errMediaSize
	}
	found := http.DetectContentType(data)
	if (kind == "image" || kind == "thumb") && !strings.HasPrefix(found, "image/") {
		return nil, errcode(40005, "invalid file type")
	}
	total := len(data)
	for _, m := range p.s.Media {
		total += len(m.Data)
	}
	if len(p.s.Media) >= maxMediaCount || total > maxMediaMemory {
		p.dropOldest()
	}
	m := &media{ID: secretText(48), Kind: kind, Type: found, Data: bytes.Clone(data), Made: model.At(p.now())}
	if !forEver {
		m.Until = m.Made.Add(mediaLife)
	}
	p.s.Media[m.ID] = m
	p.changed(nil)
	return m, nil
}

// dropOldest removes temporary media, oldest first, until half of the room is
// free; the sandbox is no archive.
func (p *Platform) dropOldest() {
	list := make([]*media, 0, len(p.s.Media))
	total := 0
	for _, m := range p.s.Media {
		list = append(list, m)
		total += len(m.Data)
	}
	slices.SortFunc(list, func(a, b *media) int {
		if (a.Until == 0) != (b.Until == 0) {
			return map[bool]int{true: 1, false: -1}[a.Until == 0]
		}
		return int(a.Made - b.Made)
	})
	for _, m := range list {
		if len(p.s.Media) < maxMediaCount/2 && total < maxMediaMemory/2 {
			return
		}
		delete(p.s.Media, m.ID)
		total -= len(m.Data)
	}
}

// mediaOf finds media that has not expired; the lock is held.
func (p *Platform) mediaOf(id string) (*media, error) {
	m := p.s.Media[id]
	if m == nil || m.Until != 0 && model.At(p.now()) >= m.Until {
		return nil, errMedia
	}
	return m, nil
}

// Media returns a file and its content type, for the phone page.
func (p *Platform) Media(id string) ([]byte, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.mediaOf(id)
	if err != nil {
		return nil, "", err
	}
	return m.Data, m.Type, nil
}

func (p *Platform) mediaURL(id string) string { return p.opts.PublicURL + "/control/media/" + id }

func (p *Platform) mediaUpload(c *call) (any, error) {
	if c.file == nil {
		return nil, errcode(41005, "media data missing")
	}
	m, err := p.keepMedia(c.query.Get("type"), c.file.data, false)
	if err != nil {
		return nil, err
	}
	key := "media_id"
	if m.Kind == "thumb" {
		key = "thumb_media_id"
	}
	return map[string]any{"type": m.Kind, key: m.ID, "created_at": int64(m.Made) / 1000}, nil
}

func (p *Platform) mediaUploadImage(c *call) (any, error) {
	if c.file == nil {
		return nil, errcode(41005, "media data missing")
	}
	m, err := p.keepMedia("image", c.file.data, true)
	if err != nil {
		return nil, err
	}
	return map[string]any{"url": p.mediaURL(m.ID)}, nil
}

func (p *Platform) mediaGet(c *call) (any, error) {
	m, err := p.mediaOf(c.query.Get("media_id"))
	if err != nil {
		return nil, err
	}
	return picture{m.Type, m.Data}, nil
}

func (p *Platform) materialAdd(c *call) (any, error) {
	if c.file == nil {
		return nil, errcode(41005, "media data missing")
	}
	m, err := p.keepMedia(c.query.Get("type"), c.file.data, true)
	if err != nil {
		return nil, err
	}
	m.Name = c.file.name
	answer := map[string]any{"media_id": m.ID}
	if m.Kind == "image" {
		answer["url"] = p.mediaURL(m.ID)
	}
	return answer, nil
}

// material finds what the body's media_id names, of those kept for ever.
func (p *Platform) material(c *call) (*media, error) {
	id, err := c.mediaID()
	if err != nil {
		return nil, err
	}
	m, err := p.mediaOf(id)
	if err != nil || m.Until != 0 {
		return nil, errMedia
	}
	return m, nil
}

func (c *call) mediaID() (string, error) {
	var in struct {
		ID string `json:"media_id"`
	}
	err := c.read(&in)
	return in.ID, err
}

func (p *Platform) materialGet(c *call) (any, error) {
	m, err := p.material(c)
	if err != nil {
		return nil, err
	}
	return picture{m.Type, m.Data}, nil
}

func (p *Platform) materialDelete(c *call) (any, error) {
	m, err := p.material(c)
	if err != nil {
		return nil, err
	}
	delete(p.s.Media, m.ID)
	p.changed(nil)
	return nil, nil
}

func (p *Platform) materialCount(*call) (any, error) {
	n := map[string]int{"voice_count": 0, "video_count": 0, "image_count": 0, "news_count": len(p.s.Drafts)}
	for _, m := range p.s.Media {
		if m.Until == 0 && m.Kind != "thumb" {
			n[m.Kind+"_count"]++
		}
	}
	return n, nil
}

func (p *Platform) materialBatch(c *call) (any, error) {
	var in struct {
		Kind   string `json:"type"`
		Offset int    `json:"offset"`
		Count  int    `json:"count"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.Offset < 0 || in.Count < 1 || in.Count > 20 {
		return nil, errArgument
	}
	var list []*media
	for _, m := range p.s.Media {
		if m.Until == 0 && m.Kind == in.Kind {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *media) int { return strings.Compare(a.ID, b.ID) })
	items := []map[string]any{}
	for _, m := range list[min(in.Offset, len(list)):min(in.Offset+in.Count, len(list))] {
		items = append(items, map[string]any{"media_id": m.ID, "name": m.Name, "update_time": int64(m.Made) / 1000, "url": p.mediaURL(m.ID)})
	}
	return map[string]any{"total_count": len(list), "item_count": len(items), "item": items}, nil
}

func (p *Platform) draftAdd(c *call) (any, error) {
	var in struct {
		Articles []article `json:"articles"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if len(in.Articles) == 0 || len(in.Articles) > maxArticles || len(p.s.Drafts) >= maxDraft {
		return nil, errcode(45008, "article size out of limit")
	}
	for _, a := range in.Articles {
		if n := len([]rune(a.Title)); n == 0 || n > maxTitle {
			return nil, errcode(45003, "title size out of limit")
		}
		if a.Content == "" {
			return nil, errEmpty
		}
		if m, err := p.mediaOf(a.ThumbID); err != nil || m.Until != 0 {
			return nil, errMedia
		}
	}
	id := secretText(48)
	p.s.Drafts[id] = draft{in.Articles, model.At(c.now)}
	p.changed(nil)
	return map[string]any{"media_id": id}, nil
}

func (p *Platform) draftGet(c *call) (any, error) {
	id, err := c.mediaID()
	if err != nil {
		return nil, err
	}
	d, ok := p.s.Drafts[id]
	if !ok {
		return nil, errMedia
	}
	return map[string]any{"news_item": d.Articles}, nil
}

func (p *Platform) draftDelete(c *call) (any, error) {
	id, err := c.mediaID()
	if err != nil {
		return nil, err
	}
	if _, ok := p.s.Drafts[id]; !ok {
		return nil, errMedia
	}
	delete(p.s.Drafts, id)
	p.changed(nil)
	return nil, nil
}

// articles turns a draft into a bubble.
func (p *Platform) articles(id string, b Bubble) (Bubble, error) {
	d, ok := p.s.Drafts[id]
	if !ok {
		return b, errMedia
	}
	b.Kind = "news"
	for _, a := range d.Articles {
		b.Articles = append(b.Articles, BubbleLink{a.Title, a.Digest, p.mediaURL(a.ThumbID), a.Source})
	}
	return b, nil
}
