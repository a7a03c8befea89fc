package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/replay"
)

func newVerify(at *place) *cobra.Command {
	var keyFiles []string
	var all bool
	command := &cobra.Command{
		Use:   "verify --key FILE RECORDING...",
		Short: "Check that recordings are what the gateway wrote",
		Long: `Check recordings against their seals with nothing but the public key: every octet is what
the gateway wrote, none is missing, and the metadata belong to the session. A failure names
the first octet that is wrong. Get the key (seal.pub) from the gateway's operator, not from
where the recordings come from. If it was replaced, give the older ones too: every line of
a seal must be signed by one of them. The exit status is 1 if a recording fails.`,
		Example: `  spliceway sessions verify --key seal.pub --dir recordings 01jp8x4c2
  spliceway sessions verify --key seal.pub evidence/01jp8x4c2v7m8q3n5s6t9w0y2z.cast
  spliceway sessions verify --key seal.pub --dir recordings --all`,
		Args: func(command *cobra.Command, args []string) error {
			if all {
				return noArguments(command, args)
			}
			return recordings(1, 0)(command, args)
		},
		RunE: func(command *cobra.Command, args []string) error {
			var keys []ed25519.PublicKey
			for _, path := range keyFiles {
				more, err := record.ReadPublicKeys(path)
				if err != nil {
					return err
				}
				keys = append(keys, more...)
			}
			v := &verification{w: command.OutOrStdout()}
			v.check = func(path string) (*record.Verdict, error) { return record.Verify(path, keys...) }
			return v.run(command, at, args, all)
		},
	}
	command.Flags().StringArrayVar(&keyFiles, "key", nil, "verify with the public key in `FILE`, PEM, or with all .pub files of a folder; repeatable")
	command.Flags().BoolVarP(&all, "all", "a", false, "check all recordings")
	if err := command.MarkFlagRequired("key"); err != nil {
		panic(err) // the flag is defined two lines above
	}
	return command
}

// A verification counts what fails.
type verification struct {
	w               io.Writer
	check           func(path string) (*record.Verdict, error)
	checked, failed int
}

func (v *verification) run(command *cobra.Command, at *place, names []string, all bool) error {
	for _, name := range names {
		path, err := at.verifiable(name)
		if err != nil {
			return err
		}
		if err := v.one(path); err != nil {
			return err
		}
	}
	if all {
		unread := func(err error) { reporter(command)(err); v.failed++; v.checked++ }
		err := at.list(record.Filter{}, func(found *record.Recording) error { return v.one(found.Path) }, unread)
		if err != nil && v.failed == 0 {
			return err
		}
	}
	if v.failed > 0 {
		return fmt.Errorf("%d of %d recordings failed", v.failed, v.checked)
	}
	return nil
}

// verifiable returns the path of what is to be checked. A file needs no metadata
// that can be read: that it has none is what Verify then says.
func (p *place) verifiable(name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	found, err := p.find(name)
	if err != nil {
		return "", err
	}
	return found.Path, nil
}

// one checks one recording.
func (v *verification) one(path string) error {
	verdict, err := v.check(path)
	if err != nil {
		return err
	}
	v.checked++
	word := "ok"
	if !verdict.OK() {
		v.failed++
		word = "FAILED (" + string(verdict.Fault) + ")"
	}
	_, err = fmt.Fprintf(v.w, "%s  %s: %s\n", replay.Printable(verdict.ID), word, replay.Printable(verdict.Reason))
	return err
}
