package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestExit(t *testing.T) {
	good, dir := goodConfig(t)
	edited := func(name, old, new string) string {
		if !strings.Contains(gatewayConfig, old) {
			t.Fatalf("the configuration has no %q", old)
		}
		return write(t, dir, name, strings.Replace(gatewayConfig, old, new, 1))
	}
	typo := edited("typo.yaml", "audience: acme", "audiense: acme")
	several := edited("several.yaml", `listen: "127.0.0.1:0"`, "listen: 8443\nlog: {level: loud}")
	strict := edited("strict.yaml", `metrics:`, "recordings: {mode: strict}\nmetrics:")
	noPair := edited("no-pair.yaml", "privateKeyFile: tls.key", "privateKeyFile: token")
	noToken := edited("no-token.yaml", "bearerTokenFile: token", "bearerTokenFile: gone")
	users := write(t, dir, "issuer.yaml", "issuer: i\naudience: a\nusers: [{name: ann}]\n")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := edited("busy.yaml", "127.0.0.1:0", taken.Addr().String())

	for _, row := range []struct {
		name string
		args []string
		code int
		says []string // in this order on standard error
	}{
		{"version", []string{"version"}, 0, nil},
		{"check", []string{"check", "--config", good}, 0, nil},
		{"nothing-shows-help", nil, 0, nil},

		{"unknown-command", []string{"bogus"}, 2, []string{`unknown command "bogus" for "spliceway"`, "hint: see spliceway --help"}},
		{"misspelled-command", []string{"serv"}, 2, []string{`unknown command "serv"`, "hint: did you mean spliceway serve?"}},
		{"unknown-subcommand", []string{"connect", "bogus"}, 2, []string{`unknown command "bogus" for "spliceway connect"`, "hint: see spliceway connect --help"}},
		{"misspelled-subcommand", []string{"issuer", "hsh"}, 2, []string{`unknown command "hsh"`, "hint: did you mean spliceway issuer hash?"}},
		{"argument", []string{"serve", "config.yaml"}, 2, []string{`takes no arguments, and "config.yaml" is one`, "hint: see spliceway serve --help"}},
		{"unknown-flag", []string{"serve", "--conf", good}, 2, []string{"unknown flag: --conf", "hint: see spliceway serve --help"}},
		{"flag-without-value", []string{"serve", "--config"}, 2, []string{"flag needs an argument: --config", "hint: see spliceway serve --help"}},
		{"no-config", []string{"serve"}, 2, []string{`"config" not set`, "hint: see spliceway serve --help"}},
		{"no-data-dir", []string{"issuer", "rotate-key"}, 2, []string{`"data-dir" not set`, "hint: see spliceway issuer rotate-key --help"}},
		{"unknown-log-level", []string{"issuer", "--config", users, "--log-level", "loud"}, 2, []string{`"loud" is not one of trace, debug, info, warn, error`, "hint: see spliceway issuer --help"}},
		{"connect-without-gateway", []string{"connect"}, 2, []string{"--gateway HOST[:PORT] is required", "hint: see spliceway connect --help"}},
		{"connect-without-issuer", []string{"connect", "--gateway", "gw"}, 2, []string{"--issuer URL is required", "hint"}},
		{"kubeconfig-without-ca", []string{"connect", "kubeconfig", "--issuer", "https://i"}, 2, []string{"--gateway-ca or --cluster-ca is required", "hint"}},
		{"help-for-nothing", []string{"help", "bogus"}, 2, []string{`unknown command "bogus"`, "hint"}},

		{"config-not-there", []string{"serve", "--config", filepath.Join(dir, "gone.yaml")}, 78, []string{"gone.yaml: no such file", "hint: give the name of a file"}},
		{"config-is-a-folder", []string{"check", "--config", dir}, 78, []string{"is a directory", "hint: give the name of a file"}},
		{"misspelled-key", []string{"serve", "--config", typo}, 78, []string{"config: 1 problem", "typo.yaml:5:38", "audience"}},
		{"several-problems", []string{"check", "--config", several}, 78, []string{"config: 2 problems", `write ":8443"`, `"loud" is unknown`}},
		{"recording", []string{"serve", "--config", strict}, 78, []string{"recordings.dir"}},
		{"recording-checked", []string{"check", "--config", strict}, 78, []string{"recordings.dir"}},
		{"bad-pair", []string{"serve", "--config", noPair}, 78, []string{"tls.crt", "token", "hint: spliceway check"}},
		{"bad-pair-checked", []string{"check", "--config", noPair}, 78, []string{"config: 1 problem", "no-pair.yaml:3:7", "tls.crt"}},
		{"no-token", []string{"serve", "--config", noToken}, 78, []string{`preparing cluster "prod"`, "gone: no such file", "hint: spliceway check"}},
		{"issuer-config", []string{"issuer", "--config", users}, 78, []string{"dataDir is missing"}},
		{"connect-listen", []string{"connect", "--gateway", "gw", "--issuer", "https://i", "--listen", "0.0.0.0:1"}, 78, []string{"not a loopback address", "hint: see spliceway connect --help"}},

		{"port-taken", []string{"serve", "--config", busy}, 1, []string{"listening: listen tcp " + taken.Addr().String(), "hint: another process has this port"}},
		{"no-password", []string{"issuer", "hash"}, 1, []string{"password"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := execute(t, "", row.args...)
			if o.code != row.code {
				t.Errorf("exit status %d, want %d; it says:\n%s", o.code, row.code, o.stderr)
			}
			rest := o.stderr
			for _, want := range row.says {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("it does not say %q, at least not in this place:\n%s", want, o.stderr)
				}
				rest = after
			}
			if row.code == 0 && (o.stderr != "" || o.stdout == "") {
				t.Errorf("success prints %q and says %q", o.stdout, o.stderr)
			}
			if row.code != 0 && (!strings.HasPrefix(o.stderr, "spliceway: ") || o.stdout != "") {
				t.Errorf("failure prints %q and says %q, want it on standard error, with our name", o.stdout, o.stderr)
			}
			if strings.Contains(o.stderr, "secret-of-the-gateway") {
				t.Errorf("it tells a secret: %s", o.stderr)
			}
		})
	}
}
