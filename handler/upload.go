package handler

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/idempotency"
)

// The bounds of an upload. The file itself is bounded by who reads it.
const (
	uploadLimit = 15 * time.Minute // a million lines, over a slow line
	maxUploads  = 4                // at a time, on one replica: each has a file of up to 512 MB on its disk
	maxParts    = 8
	maxPart     = 16 << 10 // bytes of a field
)

var (
	errNoFile = fault.New(fault.Invalid, "request.no_file", "请上传文件：表单中最后一项应为file")
	errFull   = fault.New(fault.Unavailable, "request.uploads", "正在上传的文件较多，请稍后再试")
	errPart   = fault.New(fault.Invalid, "request.part", "表单内容不正确")
)

// upload lets a file through: it is not read here, and has longer than other requests.
// One that only asks needs no key and leaves no line.
func (g OpsGate) upload(ctx huma.Context, c call, asks bool, next func(huma.Context)) {
	if !asks && !model.RequestID(ctx.Header(headerKey)).Valid() {
		refuse(ctx, idempotency.ErrKey)
		return
	}
	select {
	case g.uploads <- struct{}{}:
		defer func() { <-g.uploads }()
	default:
		refuse(ctx, errFull)
		return
	}
	from := humagin.Unwrap(ctx)
	until, control := time.Now().Add(uploadLimit), http.NewResponseController(from.Writer)
	if err := errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		refuse(ctx, err)
		return
	}
	c.file = from.Request
	limited, cancel := context.WithDeadline(ctx.Context(), until)
	defer cancel()
	ctx = huma.WithContext(ctx, context.WithValue(limited, callKey{}, c))
	if asks {
		next(ctx)
		return
	}
	g.audited(ctx, c, next)
}

// form is an upload: fields, and then the file.
type form struct {
	fields map[string]string
	name   string // of the file, as the browser says
	file   io.Reader
}

// formOf reads the fields of an upload up to its file, which must come last. Errors:
// errNoFile, errPart.
func formOf(ctx context.Context) (form, error) {
	in := form{fields: map[string]string{}}
	request := callOf(ctx).file
	if request == nil {
		return in, errNoFile
	}
	parts, err := request.MultipartReader()
	if err != nil {
		return in, errNoFile.With(err)
	}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return in, errNoFile
		}
		if err != nil {
			return in, errPart.With(err)
		}
		if part.FormName() == "file" {
			in.name, in.file = part.FileName(), &lastPart{file: part, parts: parts}
			return in, nil
		}
		if err := in.field(part); err != nil {
			return in, err
		}
	}
	return in, errPart
}

// lastPart is the file, whose end is told only when nothing follows it: a field behind it
// would count for nothing, and nobody would be told. Whoever reads it saves nothing
// before he knows its end.
type lastPart struct {
	file  io.Reader
	parts *multipart.Reader
	end   error // once the file was read
}

func (l *lastPart) Read(p []byte) (int, error) {
	if l.end != nil {
		return 0, l.end
	}
	n, err := l.file.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	part, after := l.parts.NextPart()
	switch {
	case after == nil:
		l.end = errNoFile.Saying("表单中file之后还有“%s”：file应为最后一项，请把其他字段放在它前面", part.FormName())
	case errors.Is(after, io.EOF):
		l.end = io.EOF
	default:
		l.end = errPart.With(after)
	}
	return n, l.end
}

func (f *form) field(part *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(part, maxPart+1))
	if err != nil || len(text) > maxPart {
		return errPart.With(err)
	}
	f.fields[part.FormName()] = strings.TrimSpace(string(text))
	return nil
}

// mapping reads the columns of a file: {"号码": "phone"}; nil for none.
func (f *form) mapping() (map[string]string, error) {
	if f.fields["mapping"] == "" {
		return nil, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(f.fields["mapping"]), &m); err != nil {
		return nil, errPart.Saying("mapping应为JSON：{\"表头\": \"字段\"}")
	}
	return m, nil
}

// multipartBody describes an upload.
func multipartBody() *huma.RequestBody {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"multipart/form-data": {Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{
			"name":     text("名称，没有则为文件名"),
			"mapping":  text(`列对应关系，JSON：{"表头": "字段"}；没有则按表头识别`),
			"checksum": text("文件内容的 SHA-256（十六进制）；导入积分时必填"),
			"asOf":     text("数据日期，RFC 3339；没有则为现在"),
			"file":     {Type: huma.TypeString, Format: "binary", Description: "CSV（UTF-8 或 GB18030）或 XLSX，放在最后一项"},
		},
	}}}}
}
