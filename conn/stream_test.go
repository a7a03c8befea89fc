package conn

// What kubectl sends for exec, as far as it matters here.
var spdyRequest = request("POST /api/v1/namespaces/a/pods/b/exec?command=sh", "Connection: Upgrade", "Upgrade: SPDY/3.1",
	"X-Stream-Protocol-Version: v4.channel.k8s.io")

// spdyForwarded is what the API server hears of it.
func spdyForwarded(n int) string {
	head := forwarded(n, "POST /api/v1/namespaces/a/pods/b/exec?command=sh", "X-Stream-Protocol-Version: v4.channel.k8s.io")
	return head[:len(head)-2] + "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
}
