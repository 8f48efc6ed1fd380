package audience_test

import (
	"strings"
	"testing"

	"kaimenhong/service/audience"
)

func importText(t testing.TB, a *audience.Audience, text string) audience.Import {
	t.Helper()
	got, err := a.Import(t.Context(), audience.Upload{Name: "客户.csv", Operator: 1, File: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
