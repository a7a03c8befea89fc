package metrics

import "github.com/spliceway/spliceway/limit"

// What the words are that label values are made of, for the reference. The tests of
// package gateway fail when it says one that is not here.
var (
	phases                = []string{"proxy_header", "outer_tls", "connect", "authn", "inner_tls", "tunnel"}
	results               = []string{"ok", "healthz", "refused", "limited", "malformed", "rejected", "timeout", "closed", "shutdown", "failed", "panic"}
	authenticationResults = []string{"ok", "credentials", "malformed", "algorithm", "type", "key", "keys-unavailable", "signature", "expired",
		"not-yet-valid", "issuer", "audience", "claims", "system-identity", "resource", "proof", "target", "no-cluster", "too-many-connections", "internal"}
	dialResults     = []string{"ok", "canceled", "timeout", "refused", "unreachable", "name", "closed", "authority", "server-name", "certificate", "no-tls", "tls-rejected", "exhausted", "failed", other}
	retryReasons    = []string{"stale-connection", "credential"}
	upstreamReasons = []string{"upstream-unreachable", "upstream-closed", "upstream-timeout", "idle", "bad-response", "protocol"}
	abortReasons    = []string{"client-closed", "client-stalled", "idle", "body-timeout", "malformed", "token-expired", "shutdown", "recorder", "finished", "protocol", "unknown", "panic", "internal"}
	refusalReasons  = []string{"malformed", "request-rate", "too-many-streams", "queue-full", "queue-timeout", "head-too-large", "too-many-connections", "gateway-exhausted", "head-timeout", "body-timeout", "client-closed", "credential-refused", "unrecordable", "recorder", "protocol", "unknown", "internal"}
	endReasons      = []string{"closed", "idle", "drained", "token-expired", "shutdown", "client-closed", "client-stalled", "head-timeout", "body-timeout",
		"malformed", "head-too-large", "upstream-closed", "upstream-timeout", "bad-response", "recorder", "unrecordable", "finished", "protocol", "unknown", "panic", "internal"}
	limits = []string{"connections", "connections_per_source", "unauthenticated", "unauthenticated_per_source", "connections_per_user", "streams_per_user",
		"request_rate", "queue", "queue_time", "head"}
	kinds        = limit.Kinds()
	protocols    = []string{"spdy", "websocket"}
	files        = []string{"certificate", "token", "upstream-tls", "signing-keys", "tracing", "configuration"}
	spanOutcomes = []string{"sent", "retried", "dropped", "failed", "rejected"}
	noticeKinds  = []string{"recovered", "truncated", "deleted", "failed", "full", "room"}
)
