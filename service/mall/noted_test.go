package mall

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTheAuditKeepsWhoMayHaveAGiftHowOftenAndUntilWhen(t *testing.T) {
	line := func(g Gift) string {
		text, err := json.Marshal(g.noted())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	was := Gift{Kind: Physical, Title: "杯子", Points: 100, Total: 3, Each: 1, Tier: 2, StartsAt: 1000, EndsAt: 2000}
	for name, change := range map[string]func(*Gift){
		"eachLimit": func(g *Gift) { g.Each = 0 }, "tier": func(g *Gift) { g.Tier = 0 }, "startsAt": func(g *Gift) { g.StartsAt = 0 },
		"endsAt": func(g *Gift) { g.EndsAt = 9000 }, "cancellable": func(g *Gift) { g.Cancellable = true }, "extendDays": func(g *Gift) { g.ExtendDays = 30 },
	} {
		is := was
		change(&is)
		if line(is) == line(was) || !strings.Contains(line(is), name) {
			t.Errorf("a changed %s leaves the line %s", name, line(is))
		}
	}
}
