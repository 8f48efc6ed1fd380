package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"kaimenhong/service/redpacket"
)

// maxProofFile bounds what is read of a file.
const maxProofFile = 1 << 20

// verifyProof checks one proof, offline; docs/proof.md says how to do it without this
// program. It prints what holds, with the commitment, and fails when it does not.
func verifyProof(_ context.Context, args []string) error {
	in, err := os.Stdin, error(nil)
	if args[0] != "-" {
		if in, err = os.Open(args[0]); err != nil {
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
	// Only who saw the commitment while the pot was open can tell that it is the same.
	_, err = fmt.Printf("红包 %s 验证通过：%d 份金额由承诺的种子得出，合计 %s\n请与开启时看到的指纹比对：%s\n", read.Pot, read.Helps, read.Target, read.Commitment)
	return err
}
