package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands returns every command of ours, the root first.
func commands() []*cobra.Command {
	all := []*cobra.Command{newRoot()}
	for i := 0; i < len(all); i++ {
		all = append(all, all[i].Commands()...)
	}
	return all
}

func TestHelpIsComplete(t *testing.T) {
	for _, c := range commands() {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s lacks Short, Long or Example", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") || !strings.HasSuffix(c.Long, ".") {
			t.Errorf("%s: Short ends without a full stop, Long with one", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if len(line) > 100 {
				t.Errorf("%s has a line of %d characters: %s", c.CommandPath(), len(line), line)
			}
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s has an example that is not indented: %s", c.CommandPath(), line)
			}
		}
	}
}

// What is printed for a user is reviewed by reading the files.
func TestHelpText(t *testing.T) {
	for _, c := range commands() {
		words := strings.Fields(c.CommandPath())
		t.Run(strings.Join(words, "-"), func(t *testing.T) {
			text := succeed(t, "", append(words[1:], "--help")...)
			golden(t, "help/"+strings.Join(words, "-")+".txt", text)
			if again := succeed(t, "", append([]string{"help"}, words[1:]...)...); again != text {
				t.Errorf("help as a command prints something else:\n%s", again)
			}
		})
	}
}

// The examples are command lines that are understood: every flag in them exists.
func TestHelpExamples(t *testing.T) {
	for _, c := range commands() {
		for line := range strings.Lines(strings.ReplaceAll(c.Example, "\\\n", " ")) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			line, _, _ = strings.Cut(line, " <")
			line, _, _ = strings.Cut(line, " >")
			words := strings.Fields(line)
			if words[0] != "spliceway" {
				continue
			}
			command, args, err := newRoot().Find(words[1:])
			if err == nil {
				err = command.ParseFlags(args)
			}
			if err == nil && command.Name() != "help" {
				err = command.ValidateArgs(command.Flags().Args())
			}
			if err == nil {
				err = command.ValidateRequiredFlags()
			}
			if err != nil {
				t.Errorf("%s has the example %q: %v", c.CommandPath(), line, err)
			}
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if script := succeed(t, "", "completion", shell); !strings.Contains(script, "spliceway") {
			t.Errorf("completion %s prints %q", shell, script)
		}
	}
	for _, row := range []struct {
		words []string
		want  string
	}{
		{[]string{"ser"}, "serve\tRun the gateway\n"},
		{[]string{"issuer", "ro"}, "rotate-key\tAdd a signing key and sign with it from now on\n"},
		{[]string{"serve", "--"}, "--config\t"},
		{[]string{"connect", "--gateway-s"}, "--gateway-server-name\t"},
	} {
		o := execute(t, "", append([]string{"__complete"}, row.words...)...)
		if o.code != 0 || !strings.Contains(o.stdout, row.want) {
			t.Errorf("completing %q = %q (status %d), want %q", row.words, o.stdout, o.code, row.want)
		}
	}
}
