package doctor

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/cluster"
)

// Known is an error that is known, with its likely cause.
type Known struct {
	Text  string `json:"text"` // that was found in the line
	Cause string `json:"cause"`
	Do    string `json:"do"`
}

// Explain finds the likely cause of an error line, as a user, an audit event or a log has it. It returns nil for a line
// that has nothing known in it. Of several, the longest text counts: it says most.
func Explain(line string) *Known {
	var best *Known
	for _, list := range [][]Known{gatewayErrors, clusterErrors(), clientErrors} {
		for i := range list {
			if k := &list[i]; strings.Contains(line, k.Text) && (best == nil || len(k.Text) > len(best.Text)) {
				best = k
			}
		}
	}
	if best != nil && !slices.Contains(vague, best.Text) {
		return best
	}
	for _, word := range authn.Reasons() {
		if reasonWord(word).MatchString(line) {
			f := tokenFaults[word]
			return &Known{word, f.cause, f.do}
		}
	}
	return best
}

// vague texts go before a reason word, which says more.
var vague = []string{"the gateway refused the token", "the gateway refused the target"}

// reasonWord finds a word where the gateway and its clients put it: alone, in brackets, or as the value of a field.
func reasonWord(word string) *regexp.Regexp {
	return regexp.MustCompile(`(?:^|\(|reason[=:] ?"?|"reason": ?")` + regexp.QuoteMeta(word) + `(?:$|\)|"|[,;.\s]*$)`)
}

// clusterErrors are the sentences of package cluster, for users and for the log.
func clusterErrors() []Known {
	var all []Known
	for reason, do := range map[string]string{
		cluster.ReasonTimeout:     "check clusters[].server, and the firewalls between gateway and API server",
		cluster.ReasonRefused:     "check that the API server runs, and the port of clusters[].server",
		cluster.ReasonUnreachable: "check clusters[].server, and the routes of the gateway's machine",
		cluster.ReasonName:        "check clusters[].server, and the DNS of the gateway's machine",
		cluster.ReasonClosed:      "check that an API server is behind clusters[].server",
		cluster.ReasonAuthority:   "set clusters[].certificateAuthorityFile to the CA of the API server",
		cluster.ReasonServerName:  "set clusters[].serverName to a name of its certificate",
		cluster.ReasonCertificate: "renew the API server's certificate, or set the gateway's clock",
		cluster.ReasonNoTLS:       "check the port of clusters[].server",
		cluster.ReasonRejected:    "check the client certificate of clusters[]",
		cluster.ReasonExhausted:   "raise its limit of open files, LimitNOFILE= of its unit, or lower limits",
	} {
		_, sentence, _ := strings.Cut((&cluster.DialError{Reason: reason}).Sentence(), `"": `)
		all = append(all, Known{sentence, "the gateway can't connect to the API server: " + sentence, "on the gateway: " + do + "; spliceway doctor --config tells more"})
	}
	return all
}

const tellOperator = "on the gateway, run spliceway doctor --config FILE"

// gatewayErrors are the sentences of the gateway. A test compares them with the code.
var gatewayErrors = []Known{
	{"no-cluster", "the token is valid, but its resource matches no cluster in the gateway's configuration", "give a cluster the address or alias that the token names"},
	{"no configured cluster matches", "the token is valid, but its resource matches no cluster in the gateway's configuration", "give a cluster the address or alias that the token names"},
	{"only CONNECT is served here", "a request came to the gateway without a tunnel", "use the contexts of spliceway connect kubeconfig, whose proxy-url leads to spliceway connect"},
	{"a bearer token is required", "the client sent no token", "connect by spliceway connect"},
	{"the gateway could not decide on the request", "the check of the token failed or took too long", "look for conn_id in the gateway's log"},
	{"the request is not valid HTTP/1.1", "the client, or a proxy between it and the gateway, sends something ambiguous or malformed", "docs/supported.md says what is accepted; the audit event has the offset"},
	{"the request did not arrive in time", "the client or its network is too slow", "check the network; timeouts.requestHead and timeouts.bodyIdle are the limits"},
	{"the API server's response is not valid HTTP/1.1", "something in front of the API server answers in its place, or malforms the answer", "check what clusters[].server leads to"},
	{"the API server can't be reached", "the gateway can't connect to the API server", tellOperator},
	{"does not accept the gateway's own credential", "the gateway's token or client certificate for this cluster is no longer valid", "renew bearerTokenFile or the client certificate; " + tellOperator},
	{"the API server did not take the request in time", "the API server, or a proxy in front of it, does not read", "check its load; timeouts.bodyIdle is the limit"},
	{"the API server did not answer in time", "the API server is overloaded, or a proxy in front of it holds back the answer", "check its load; timeouts.responseHead is the limit"},
	{"the API server closed the connection before it had answered", "the API server was restarted, or a proxy in front of it ends connections", "try again; check the time limits of load balancers"},
	{"the session can't be recorded, so it was not started", "recordings are strict, and the store can't be written", "make room in recordings.dir, or repair it; " + tellOperator},
	{"sessions are recorded here, and this one speaks a protocol", "recordings are strict, and the stream can't be decoded", "use kubectl exec, attach or port-forward, or exempt this user by recordings.rules"},
	{"a command that a kubelet runs without a stream", "recordings are strict, and commands run through the kubelet's /run can't be recorded", "use kubectl exec"},
	{"the recording has failed, so the session ends", "recordings are strict, and the store failed during the session", "make room in recordings.dir, or repair it; " + tellOperator},
	{"it can't be recorded any more", "recordings are strict, and the store failed during the session", "make room in recordings.dir, or repair it; " + tellOperator},
	{"what was sent can't be read with certainty", "recordings are strict, and what client or server sent can't be decoded with certainty", "use kubectl exec; the audit event session.ended has the cause"},
	{"your access has ended", "the token has expired", "connect again; the issuer decides how long tokens last"},
	{"your access ends in one minute", "the token is about to expire", "finish, and connect again"},
	{"the gateway stops", "the gateway is being stopped or restarted", "connect again; drain.timeout is how long streams may go on"},
	{"you make too many requests", "a limit on requests of one user is reached", "wait a moment; limits.requestRate of the configuration is the limit"},
	{"you have too many watches and sessions open", "a limit on streams of one user is reached", "end some; limits.streamsPerUser of the configuration is the limit"},
	{"too many requests wait for this cluster", "a limit on requests of one cluster is reached, because its API server is slow", "try again; check the API server's load"},
}

// clientErrors are what kubectl, the local proxy and TLS say.
var clientErrors = []Known{
	{"the gateway refused the token", "the gateway does not accept the token", "give the whole line: the word in brackets says why"},
	{"the gateway refused the target", "the gateway does not know the cluster, or the token does not allow it", "run spliceway connect kubeconfig again; on the gateway, compare clusters[].address with the token's resource"},
	{"no resource of yours has this host", "the issuer does not give you this cluster", "run spliceway connect kubeconfig again, or ask the administrator for access"},
	{"the resource is on another port", "the port in the kubeconfig is not the one that the issuer names", "run spliceway connect kubeconfig again"},
	{"the gateway cannot be reached", "nothing answers at the address of the gateway", "run spliceway doctor --gateway HOST"},
	{"the gateway's certificate is not trusted", "the gateway's certificate is from another CA or for another name", "run spliceway doctor --gateway HOST --gateway-ca FILE"},
	{"the issuer cannot be reached", "nothing answers at the address of the issuer", "check --issuer and the network"},
	{"the issuer's certificate is not trusted", "the issuer's certificate is from another CA or for another name", "check --issuer and --issuer-ca"},
	{"the issuer refused", "the issuer does not know the user, or the password is wrong", "check --user and the password or secret"},
	{"the proxy-url has no secret or a wrong one", "the kubeconfig belongs to another local proxy", "run spliceway connect kubeconfig again"},
	{"proxyconnect tcp: dial tcp", "the local proxy does not run", "start spliceway connect"},
	{"cannot impersonate resource", "the gateway's account may not impersonate this user or group in the cluster", "bind it to a ClusterRole with the verb impersonate on users and groups"},
	{"is forbidden: User", "the cluster's RBAC does not allow the user to do this", "bind the user or a group of theirs to a role; the gateway has done its part"},
	{"Upgrade request required", "a proxy between gateway and API server strips the Upgrade field", doUpgrade},
	{"You must be logged in to the server", "the request did not go through a gateway, or the API server does not know the credential", "use the contexts of spliceway connect kubeconfig"},
	{"certificate signed by unknown authority", "the server's certificate is from a CA that is not trusted here", "give its CA: --gateway-ca for the gateway, --cluster-ca for the kubeconfig"},
	{"certificate has expired or is not yet valid", "the server's certificate has expired, or the clock of this machine is wrong", "renew it, or set the clock"},
	{"certificate is valid for", "the server's certificate is for other names than the one requested", "use one of these names, or get a certificate for the one requested"},
	{"no such host", "the name of the server can't be resolved", "check the spelling, and the DNS of this machine"},
	{"connection refused", "nothing listens at this address", "127.0.0.1:8445 is spliceway connect: start it; else check the server and its port"},
	{"i/o timeout", "nothing answers at this address", "check the address, and the firewalls on the way"},
	{"first record does not look like a TLS handshake", "what answers does not speak TLS", "check the port"},
}
