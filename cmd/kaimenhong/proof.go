package main

import (
	"fmt"
	"io"
	"os"

	"kaimenhong/service/redpacket"
)

// proof holds what can be done with the proof of a pot.
type proof struct {
	Verify proofVerify `cmd:"" help:"Check the proof of a pot, offline; docs/proof.md says how to do it without this program."`
}

// proofVerify checks one proof, as GET …/proof answers it.
type proofVerify struct {
	File string `arg:"" help:"The proof as JSON; - reads standard input."`
}

// maxProofFile bounds what is read of a file.
const maxProofFile = 1 << 20

// Run prints one line when the proof holds and fails when it does not.
func (p *proofVerify) Run() error {
	in, err := os.Stdin, error(nil)
	if p.File != "-" {
		if in, err = os.Open(p.File); err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
	}
	content, err := io.ReadAll(io.LimitReader(in, maxProofFile+1))
	if err != nil {
		return err
	}
	read, err := redpacket.ReadProof(content)
	if err != nil {
		return err
	}
	if err := redpacket.Verify(read); err != nil {
		return err
	}
	_, err = fmt.Printf("红包 %s 验证通过：%d 份金额由承诺的种子得出，合计 %s\n", read.Pot, read.Helps, read.Target)
	return err
}
