package audit

// Field names of every log line of the gateway, audit or diagnostic: one word for
// one thing, everywhere. Up is towards the API server.
const (
	FieldTime       = "time"        // RFC 3339, UTC, milliseconds
	FieldEvent      = "event"       // one of the Event constants; audit lines only
	FieldConnID     = "conn_id"     // the gateway's id of a client connection
	FieldRequestID  = "request_id"  // the gateway's id of a request
	FieldTraceID    = "trace_id"    // of a request, if requests are traced
	FieldSessionID  = "session_id"  // the gateway's id of a recorded session
	FieldStreamID   = "stream_id"   // SPDY stream id within a session
	FieldClientID   = "client_id"   // the client's X-Connection-Id: untrusted text
	FieldRemoteAddr = "remote_addr" // the client, as the PROXY header has it where one is trusted
	FieldUpstream   = "upstream_addr"
	FieldUser       = "user"
	FieldGroups     = "groups"
	FieldSubject    = "subject" // stable id of the user or service at the issuer
	FieldService    = "service" // true: the identity is a service, not a person
	FieldDevice     = "device"
	FieldCluster    = "cluster"  // name of the cluster in the configuration
	FieldTarget     = "target"   // host:port of the CONNECT
	FieldTokenRes   = "grant"    // id of the resource that the token names
	FieldExpires    = "expires"  // when the token ends, RFC 3339, UTC
	FieldPhase      = "phase"    // where a connection was refused
	FieldMethod     = "method"   // of HTTP
	FieldPath       = "path"     // as sent, without its query
	FieldStatus     = "status"   // of HTTP
	FieldProtocol   = "protocol" // http1, spdy, websocket
	FieldState      = "state"
	FieldBlame      = "blame"  // client, upstream, gateway, recorder
	FieldReason     = "reason" // one word or short phrase, the same for all of its kind
	FieldError      = "error"  // the cause in full
	FieldBytesUp    = "bytes_up"
	FieldBytesDown  = "bytes_down"
	FieldDuration   = "duration" // milliseconds, with fraction
	FieldRequests   = "requests" // number of requests on a connection
	FieldRecording  = "recording"
	FieldTruncated  = "truncated" // true: at least one text of this line was cut
	FieldUserAgent  = "user_agent"
	FieldAuditID    = "audit_id" // the API server's Audit-Id of the request
	FieldFile       = "file"     // a file of the configuration
	FieldVersion    = "version"  // of the binary

	// What happens on an upgraded stream.
	FieldKind        = "kind"        // exec, attach, portforward, application
	FieldSubprotocol = "subprotocol" // as the API server chose it
	FieldPod         = "pod"
	FieldContainer   = "container"
	FieldNode        = "node"
	FieldCommand     = "command" // argv
	FieldTTY         = "tty"
	FieldMode        = "mode" // strict, best-effort, off
	FieldRule        = "rule" // of the recording policy
	FieldExit        = "exit"
	FieldPort        = "port"      // of the pod
	FieldNumber      = "number"    // of the forwarded connection within its session
	FieldDirection   = "direction" // of a file: upload, download
	FieldSize        = "size"      // of a file, octets
	FieldFileMode    = "file_mode" // permission bits, decimal
	FieldSHA256      = "sha256"

	// What a request means to Kubernetes; the spelling of apiGroup and
	// apiVersion is Kubernetes' own.
	FieldVerb        = "verb"
	FieldAPIGroup    = "apiGroup"
	FieldAPIVersion  = "apiVersion"
	FieldResource    = "resource"
	FieldSubresource = "subresource"
	FieldNamespace   = "namespace"
	FieldName        = "name"
)

// Values of FieldEvent.
const (
	EventConnectionOpened  = "connection.opened"
	EventConnectionRefused = "connection.refused"
	EventConnectionClosed  = "connection.closed"
	EventRequest           = "request"
)

// Values of FieldBlame: who caused an end that is not orderly.
const (
	BlameClient   = "client"
	BlameUpstream = "upstream"
	BlameGateway  = "gateway"
	BlameRecorder = "recorder"
)
