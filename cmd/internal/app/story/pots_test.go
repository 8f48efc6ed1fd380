package story_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model"
	"kaimenhong/service/redpacket"
)

// prizes are games of each kind of prize, and what is his once it has arrived.
var prizes = []struct {
	name   string
	change func(*redpacket.Rules)
	says   string
	owns   func(t *testing.T, w *story.World, owner *story.Person, mini *story.Mini) int64
	more   int64
}{
	{"phone credit", nil, "9元话费", func(_ *testing.T, w *story.World, owner *story.Person, _ *story.Mini) int64 {
		return int64(w.Carrier(owner.Phone))
	}, 900},
	{"data", func(r *redpacket.Rules) {
		r.Amounts[0].Target, r.Prize = 1000, redpacket.PrizeRule{Kind: model.DataPrize, PerYuan: 512}
	}, "5GB流量", func(t *testing.T, w *story.World, owner *story.Person, _ *story.Mini) int64 {
		line, err := w.Sandbox.Carrier.Look(owner.Phone)
		if err != nil {
			t.Fatal(err)
		}
		return line.DataLeft
	}, 5 << 30},
	{"points", func(r *redpacket.Rules) { r.Prize = redpacket.PrizeRule{Kind: model.PointsPrize, PerYuan: 100} }, "900积分", func(_ *testing.T, _ *story.World, _ *story.Person, mini *story.Mini) int64 {
		return mini.Get("/points").Is(http.StatusOK).Number("available")
	}, 900},
}

func TestFriendsFillAnEnvelopeAndItsPrizeArrives(t *testing.T) {
	for _, prize := range prizes {
		t.Run(prize.name, func(t *testing.T) {
			story.Everywhere(t, func(t *testing.T, s story.Stores) {
				w := story.Begin(t, s)
				w.Settings["CARRIER_PACKS"] = "5120=OF-DATA-5G-7D"
				r := w.Replica()
				game := r.Plays(w.Envelope("回家", prize.change))[0]
				owner := w.Person("ordinary")
				mini := owner.Whole()
				friends := w.Players("family", "student", "senior")

				rules := mini.Get("/campaigns/" + game).Is(http.StatusOK)
				if text := string(rules.Raw); rules.Value("canOpen") != true || rules.Number("helps") != 3 || !strings.Contains(text, "需要 3 位好友助力") || !strings.Contains(text, prize.says) {
					t.Errorf("the campaign is shown as %s", text)
				}
				before := prize.owns(t, w, owner, mini)
				pot := mini.OpensPot(game)
				if v := mini.Sees(pot); v.Text("status") != "open" || v.Text("commitment") == "" || !strings.HasPrefix(v.Text("share.path"), "pages/redpacket/index?pot=") || v.Text("prizeText") != prize.says {
					t.Errorf("the open pot is shown as %s", v.Raw)
				}
				if sealed := mini.Get("/pots/" + pot + "/proof").Is(http.StatusOK); sealed.Value("seed") != nil || sealed.Text("commitment") == "" {
					t.Errorf("the proof of an open pot is %s, want a commitment without its seed", sealed.Raw)
				}
				mini.Do("POST", "/pots/"+pot+"/claim", "early", nil).Refused(http.StatusConflict, "payout.not_won")

				friends[0].Sees(pot)
				friends[0].Sees(pot)
				friends[0].Helps(pot).Is(http.StatusCreated)
				owner.Gets("第一位好友为您助力")
				friends[1].Helps(pot).Is(http.StatusCreated)
				owner.Gets("还差1位好友")
				last := friends[2].Do("POST", "/pots/"+pot+"/helps", "last", map[string]any{"shown": false}).Is(http.StatusCreated)
				if again := friends[2].Do("POST", "/pots/"+pot+"/helps", "last", map[string]any{"shown": false}).Is(http.StatusCreated); string(again.Raw) != string(last.Raw) {
					t.Errorf("the repeat answered %s, want %s", again.Raw, last.Raw)
				}
				w.Until("the pot is filled", func() bool { return mini.Sees(pot).Text("status") == "filled" })
				mini.Do("POST", "/pots/"+pot+"/claim", "claim", nil).Is(http.StatusOK)
				won := mini.Wins(pot, "paid")
				if won.Number("helped") != 3 || won.Number("collectedFen") != won.Number("targetFen") || won.Value("helpers.2") != nil || !strings.HasPrefix(won.Text("helpers.0.name"), "尾号") {
					t.Errorf("the filled pot is shown as %s, want two helpers by the end of their numbers", won.Raw)
				}
				owner.Gets("红包凑满啦")
				owner.Gets("已到账")
				if after := prize.owns(t, w, owner, mini); after-before != prize.more {
					t.Errorf("he owns %d more, want %d", after-before, prize.more)
				}
				verifies(t, mini.Get("/pots/"+pot+"/proof").Is(http.StatusOK).Raw)
				lists(t, mini, friends[0], game, pot)
				proven(t, r)
				w.Settle()
				const shared = "SELECT n FROM audience_deed WHERE kind = 6 AND n = 1"
				if got := w.Count(shared); got != 1 {
					t.Errorf("%d people have shared once, want the owner, whose card one friend opened before he helped", got)
				}
			})
		})
	}
}

// verifies checks a proof as anybody can, away from the server.
func verifies(t *testing.T, proof []byte) {
	t.Helper()
	read, err := redpacket.ReadProof(proof)
	if err == nil {
		err = redpacket.Verify(read)
	}
	if err != nil {
		t.Errorf("the proof %s does not hold: %v", proof, err)
	}
}

// lists are what owner and helper find again later.
func lists(t *testing.T, owner, helper *story.Mini, game, pot string) {
	t.Helper()
	if mine := owner.Get("/me/pots").Is(http.StatusOK); mine.Text("items.0.id") != pot || mine.Text("items.0.status") != "filled" || mine.Text("items.0.prize.status") != "paid" {
		t.Errorf("his pots are %s", mine.Raw)
	}
	if all := owner.Get("/me/export").Is(http.StatusOK); all.Text("game.pots.0.id") != pot || all.Text("game.pots.0.prize.kind") == "" {
		t.Errorf("the owner's export does not tell of his envelope: %s", all.Raw)
	}
	if all := helper.Get("/me/export").Is(http.StatusOK); all.Text("game.helps.0.pot") != pot || all.Number("game.helps.0.shareFen") == 0 {
		t.Errorf("the helper's export does not tell of his help: %s", all.Raw)
	}
	if mine := helper.Get("/me/helps").Is(http.StatusOK); mine.Text("items.0.potId") != pot || mine.Number("items.0.shareFen") < 1 {
		t.Errorf("the helper's helps are %s", mine.Raw)
	}
	if board := owner.Get("/campaigns/" + game + "/leaderboard?by=fastest").Is(http.StatusOK); board.Value("items.0.isMe") != true || board.Text("items.0.name") != "热心用户" {
		t.Errorf("the leaderboard is %s, want him without a name that he did not agree to", board.Raw)
	}
}

// proven proves every invariant of the game, its budget and the prizes.
func proven(t *testing.T, r *story.Replica) {
	t.Helper()
	found, err := r.App().Redpacket().Check(t.Context())
	if err != nil || len(found) > 0 {
		t.Errorf("the game breaks %+v, %v, want nothing", found, err)
	}
	if err := r.App().Reconcile(t.Context()); err != nil {
		t.Errorf("Reconcile = %v, want nil", err)
	}
}

func TestAProofIsVerifiedByTheProgramOffline(t *testing.T) {
	w := story.Begin(t, story.Embedded(t))
	r := w.Replica()
	game := r.Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps = 1 }))[0]
	people := w.Players("ordinary", "family")
	pot := people[0].OpensPot(game)
	people[1].Helps(pot).Is(http.StatusCreated)
	w.Until("the pot is filled", func() bool { return people[0].Sees(pot).Text("status") == "filled" })
	proof := people[0].Get("/pots/" + pot + "/proof").Is(http.StatusOK).Raw
	binary := story.Binary(t)
	verify := func(content string) (string, error) {
		file := filepath.Join(t.TempDir(), "proof.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), binary, "proof", "verify", file).CombinedOutput()
		return string(out), err
	}
	shown := people[0].Sees(pot).Text("commitment")
	if out, err := verify(string(proof)); err != nil || !strings.Contains(out, "验证通过") || !strings.Contains(out, shown) {
		t.Errorf("the true proof: %s, %v, want it verified, and what it was compared with", out, err)
	}
	if out, err := verify(strings.Replace(string(proof), `"target":900`, `"target":901`, 1)); err == nil {
		t.Errorf("a changed proof: %s, want it refused", out)
	}
}

func TestWhoTakesHisConsentBackIsShownNoMore(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		game := r.Plays(w.Envelope("回家", nil))[0]
		people := w.Players("ordinary", "family", "student")
		owner, friend, other := people[0], people[1], people[2]
		pot := owner.OpensPot(game)
		friend.Helps(pot).Is(http.StatusCreated)
		other.Helps(pot).Is(http.StatusCreated)
		shown := func(pot string, want ...string) {
			t.Helper()
			var names []string
			for _, h := range owner.Sees(pot).Value("helpers").([]any) {
				names = append(names, h.(map[string]any)["name"].(string))
			}
			if !slices.Equal(names, want) {
				t.Errorf("the helpers are shown as %q, want %q", names, want)
			}
		}
		tail := func(id string) string { return "尾号" + w.Person(id).Phone[7:] }
		decide := func(granted bool) {
			t.Helper()
			answer := map[string]any{"purpose": "show_to_friends", "version": 1, "granted": granted}
			friend.Do("PUT", "/consents", story.Key(), map[string]any{"consents": []any{answer}}).Is(http.StatusOK)
		}
		shown(pot, tail("family"), tail("student"))
		w.Passes(time.Second)
		decide(false)
		shown(pot, tail("student"))
		w.Passes(time.Second)
		next := owner.OpensPot(game)
		friend.Helps(next).Is(http.StatusCreated) // he agrees anew, for this one
		shown(next, tail("family"))
		shown(pot, tail("student"))
		decide(true)
		shown(pot, tail("family"), tail("student"))
	})
}
