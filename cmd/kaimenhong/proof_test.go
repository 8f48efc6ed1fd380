package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kaimenhong/service/redpacket"
)

func TestProofVerifySaysWhetherAProofHolds(t *testing.T) {
	const whole = `{"version":1,"pot":"3","helps":3,"target":100,"split":"equal",
		"commitment":"1e89a0318ce6333d7069076b2178c32e7129615d1cb7714c99fbbde780ffdc26","amounts":[33,33,34],
		"seed":"17602dcc3754b23a271a7ae8d8d65b0e191cfe66cc7322b86d21c3e3c5fc9388","shares":[34,33,33]}`
	for _, tt := range []struct {
		name, content string
		want          error
	}{
		{"a proof that holds", whole, nil},
		{"no proof", "{", redpacket.ErrProofForm},
		{"a sealed one", `{"version":1,"pot":"3","helps":3,"target":100,"split":"equal"}`, redpacket.ErrProofSealed},
	} {
		file := filepath.Join(t.TempDir(), "proof.json")
		if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := verifyProof(t.Context(), []string{file}); !errors.Is(err, tt.want) {
			t.Errorf("%s: Run = %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := verifyProof(t.Context(), []string{filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v, want %v", err, os.ErrNotExist)
	}
}
