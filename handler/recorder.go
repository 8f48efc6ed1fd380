package handler

import (
	"bytes"
	"io"

	"github.com/danielgtaylor/huma/v2"
)

// within is embedded under a name of its own, for a Context has a method Context.
type within = huma.Context

// recorder keeps what an operation answers instead of sending it, so that it can be
// kept before the client sees it.
type recorder struct {
	within
	in          []byte
	out         bytes.Buffer
	status      int
	contentType string
}

// Unwrap gives the context within, as adapters ask for it.
func (r *recorder) Unwrap() huma.Context { return r.within }

// BodyReader reads the body, which was read before.
func (r *recorder) BodyReader() io.Reader { return bytes.NewReader(r.in) }

// BodyWriter writes to the record.
func (r *recorder) BodyWriter() io.Writer { return &r.out }

// SetStatus notes the status.
func (r *recorder) SetStatus(status int) { r.status = status }

// Status is the noted status.
func (r *recorder) Status() int { return r.status }

// SetHeader notes the content type and lets the others pass.
func (r *recorder) SetHeader(name, value string) {
	if name == "Content-Type" {
		r.contentType = value
		return
	}
	r.within.SetHeader(name, value)
}
