package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/url"
	"path"

	"github.com/silenceper/wechat/v2/officialaccount/material"

	"kaimenhong/model"
)

// MediaType is the kind of a media file.
type MediaType = material.MediaType

// The kinds of media, and what WeChat takes at most (bytes) of a temporary one.
const (
	Image = material.MediaTypeImage // 10 MB: PNG, JPEG, GIF
	Voice = material.MediaTypeVoice // 2 MB, 60 s: AMR, MP3
	Video = material.MediaTypeVideo // 10 MB: MP4
	Thumb = material.MediaTypeThumb // 64 KB: JPEG
)

var maxMedia = map[MediaType]int{Image: 10 << 20, Voice: 2 << 20, Video: 10 << 20, Thumb: 64 << 10}

// maxNewsImage is the size of a picture inside an article.
const maxNewsImage = 1 << 20

// file is a form with one file in the field "media" and perhaps a description.
type file struct {
	name        string
	content     []byte
	description string // JSON, of a permanent video
}

var errFile = errors.New("file is empty, too large or of an unknown kind")

func (f *file) form() ([]byte, string, error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("media", path.Base(f.name))
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(f.content); err != nil {
		return nil, "", err
	}
	if f.description != "" {
		if err := form.WriteField("description", f.description); err != nil {
			return nil, "", err
		}
	}
	if err := form.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), form.FormDataContentType(), nil
}

// UploadMedia stores a file for three days and returns its media id, for
// customer-service messages and passive replies. name needs the right extension.
func (c *Client) UploadMedia(ctx context.Context, kind MediaType, name string, content []byte) (string, error) {
	if len(content) == 0 || len(content) > maxMedia[kind] {
		return "", ErrBadData.With(errFile)
	}
	var out material.Media
	err := c.call(ctx, request{
		name: "media_upload", app: model.OfficialAccount, path: "/cgi-bin/media/upload",
		query: url.Values{"type": {string(kind)}}, file: &file{name: name, content: content}, limit: c.opts.UploadTimeout,
	}, &out)
	if out.MediaID == "" {
		out.MediaID = out.ThumbMediaID
	}
	return out.MediaID, err
}

// Material is what WeChat says of a permanent file.
type Material struct {
	MediaID string `json:"media_id"`
	URL     string `json:"url"` // of a picture, usable within WeChat only
}

// AddMaterial stores a file for good. Title and intro are of a video only.
//
// developers.weixin.qq.com/doc/offiaccount/Asset_Management/Adding_Permanent_Assets.html
func (c *Client) AddMaterial(ctx context.Context, kind MediaType, name string, content []byte, title, intro string) (Material, error) {
	if len(content) == 0 || len(content) > maxMedia[kind] {
		return Material{}, ErrBadData.With(errFile)
	}
	f := &file{name: name, content: content}
	if kind == Video {
		description, err := json.Marshal(map[string]string{"title": title, "introduction": intro})
		if err != nil {
			return Material{}, ErrBadData.With(err)
		}
		f.description = string(description)
	}
	var out Material
	err := c.call(ctx, request{
		name: "material_add", app: model.OfficialAccount, path: "/cgi-bin/material/add_material",
		query: url.Values{"type": {string(kind)}}, file: f, limit: c.opts.UploadTimeout,
	}, &out)
	return out, err
}

// DeleteMaterial removes a permanent file.
func (c *Client) DeleteMaterial(ctx context.Context, mediaID string) error {
	return c.call(ctx, request{
		name: "material_delete", app: model.OfficialAccount, path: "/cgi-bin/material/del_material",
		body: map[string]string{"media_id": mediaID},
	}, nil)
}

// UploadNewsImage stores a picture for use inside an article and returns its URL.
func (c *Client) UploadNewsImage(ctx context.Context, name string, content []byte) (string, error) {
	if len(content) == 0 || len(content) > maxNewsImage {
		return "", ErrBadData.With(errFile)
	}
	var out Material
	err := c.call(ctx, request{
		name: "news_image", app: model.OfficialAccount, path: "/cgi-bin/media/uploadimg",
		file: &file{name: name, content: content}, limit: c.opts.UploadTimeout,
	}, &out)
	return out.URL, err
}
