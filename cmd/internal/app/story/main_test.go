package story_test

import (
	"flag"
	"os"
	"testing"

	"kaimenhong/cmd/internal/app/story"
)

// Stories wait for a slow world most of their time, so that many run at once, also
// on few processors.
func TestMain(m *testing.M) {
	if story.Replicated() {
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
