package handler

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"kaimenhong/model/fault"
)

func TestWhatComesAfterTheFileIsNotPassedOver(t *testing.T) {
	const head = "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n名单甲\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n手机号\r\n13800001001\r\n"
	for _, tt := range []struct{ name, tail, code, says string }{
		{"the file is last", "--b--\r\n", "", ""},
		{"a field follows", "--b\r\nContent-Disposition: form-data; name=\"asOf\"\r\n\r\n2026-02-17T00:00:00+08:00\r\n--b--\r\n", "request.no_file", "asOf"},
		{"a second file follows", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.csv\"\r\n\r\n手机号\r\n--b--\r\n", "request.no_file", "file"},
	} {
		request := httptest.NewRequest("POST", "/ops/v1/audience/imports", strings.NewReader(head+tt.tail))
		request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		f, err := formOf(context.WithValue(t.Context(), callKey{}, call{file: request}))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // whoever reads on after the end hears the same
			text, err := io.ReadAll(f.file)
			if tt.code == "" && err != nil || tt.code != "" && (err == nil || fault.Of(err).Code != tt.code || !strings.Contains(fault.Of(err).Text, "“"+tt.says+"”")) {
				t.Errorf("%s: read %q, %v, want %q with %q", tt.name, text, err, tt.code, tt.says)
			}
		}
		if f.fields["name"] != "名单甲" {
			t.Errorf("%s: the fields before are %v", tt.name, f.fields)
		}
	}
}
