package trace

import (
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// scope is what made the spans, among all that may be in one process.
const scope = "github.com/spliceway/spliceway/trace"

// encode makes one export of spans.
func encode(process []Attribute, spans []*Span) ([]byte, error) {
	made := make([]*otlp.Span, len(spans))
	for i, s := range spans {
		made[i] = s.message()
	}
	return proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: messages(process)},
		ScopeSpans: []*otlp.ScopeSpans{{Scope: &common.InstrumentationScope{Name: scope}, Spans: made}},
	}}})
}

func (s *Span) message() *otlp.Span {
	m := &otlp.Span{
		TraceId: s.Context.TraceID[:], SpanId: s.Context.SpanID[:], Name: exported(s.Name), Kind: otlp.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: uint64(s.Start.UnixNano()), EndTimeUnixNano: uint64(s.End.UnixNano()),
		Attributes: messages(s.Attributes), Status: &otlp.Status{},
	}
	if s.Context.Parent != (SpanID{}) {
		m.ParentSpanId = s.Context.Parent[:]
	}
	if s.Kind == Server {
		m.Kind = otlp.Span_SPAN_KIND_SERVER
	}
	if s.Failed {
		m.Status.Code = otlp.Status_STATUS_CODE_ERROR
	}
	if s.Context.Sampled {
		m.Flags = flagSampled
	}
	return m
}

func messages(attributes []Attribute) []*common.KeyValue {
	all := make([]*common.KeyValue, len(attributes))
	for i := range attributes {
		all[i] = attributes[i].message()
	}
	return all
}

func (a *Attribute) message() *common.KeyValue {
	v := &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: a.number}}
	if a.isText {
		v.Value = &common.AnyValue_StringValue{StringValue: a.text}
	}
	return &common.KeyValue{Key: a.key, Value: v}
}

// decodeAnswer returns how many spans the collector did not take, and why. An answer
// that is none of protobuf's says nothing: the collector has taken all.
func decodeAnswer(body []byte) (rejected int64, reason string) {
	var answer collector.ExportTraceServiceResponse
	if proto.Unmarshal(body, &answer) != nil {
		return 0, ""
	}
	return answer.GetPartialSuccess().GetRejectedSpans(), answer.GetPartialSuccess().GetErrorMessage()
}
