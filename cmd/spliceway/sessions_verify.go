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
		Long: `Check recordings against their seals with the public key alone: that every octet is
what the gateway wrote, none is missing, and the metadata are those of the session.
What is wrong is named with the first octet that is. Get the key from the gateway's
operator (seal.pub) and not from where the recordings come from. If it was replaced, give
the older ones too: every line of a seal has to be signed with one of them. The status is
1 if a recording fails.`,
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
	command.Flags().StringArrayVar(&keyFiles, "key", nil, "`FILE` with the public key of the seals, PEM, or a folder of .pub files; repeatable")
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
		return fmt.Errorf("%d of %d recordings fail", v.failed, v.checked)
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
