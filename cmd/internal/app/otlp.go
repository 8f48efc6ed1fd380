package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exportLimit bounds one batch of spans; one that is not taken is dropped.
const exportLimit = 5 * time.Second

// collector sends batches of spans as OTLP/HTTP in JSON, which every collector
// takes. The exporter of OpenTelemetry does it in protobuf and links gRPC, which
// makes the binary half as large again.
type collector struct {
	endpoint string
	client   http.Client
}

// The parts of opentelemetry/proto/collector/trace/v1 that are used; ids are in
// hexadecimal, 64-bit numbers are strings.
type (
	otlpRequest struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
	otlpResource struct {
		Resource   otlpAttributes `json:"resource"`
		ScopeSpans []otlpScope    `json:"scopeSpans"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope otlpName   `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpName struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Status     otlpStatus      `json:"status"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    string  `json:"intValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
)

// ExportSpans implements sdktrace.SpanExporter.
func (c *collector) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	scope := otlpScope{Scope: otlpName{tracerName}}
	for _, s := range spans {
		scope.Spans = append(scope.Spans, otlpOf(s))
	}
	body, err := json.Marshal(otlpRequest{[]otlpResource{{
		Resource: otlpAttributes{otlpAttributesOf(spans[0].Resource().Attributes())}, ScopeSpans: []otlpScope{scope},
	}}})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)); err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("send %d spans: the collector answered %d", len(spans), answer.StatusCode)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (c *collector) Shutdown(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

func otlpOf(s sdktrace.ReadOnlySpan) otlpSpan {
	at := func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }
	span := otlpSpan{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(), Name: s.Name(),
		Kind: int(s.SpanKind()), Start: at(s.StartTime()), End: at(s.EndTime()), Attributes: otlpAttributesOf(s.Attributes()),
	}
	if s.Parent().SpanID().IsValid() {
		span.ParentID = s.Parent().SpanID().String()
	}
	switch status := s.Status(); status.Code {
	case codes.Ok:
		span.Status.Code = 1
	case codes.Error:
		span.Status = otlpStatus{Code: 2, Message: status.Description}
	}
	return span
}

func otlpAttributesOf(list []attribute.KeyValue) []otlpAttribute {
	out := make([]otlpAttribute, 0, len(list))
	for _, one := range list {
		var value otlpValue
		switch one.Value.Type() {
		case attribute.BOOL:
			v := one.Value.AsBool()
			value.Bool = &v
		case attribute.INT64:
			value.Int = strconv.FormatInt(one.Value.AsInt64(), 10)
		default:
			v := one.Value.String()
			value.String = &v
		}
		out = append(out, otlpAttribute{string(one.Key), value})
	}
	return out
}
