package chat

import (
	"bufio"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"
)

type utterance struct {
	want, text string
	measure    bool
}

// corpus reads testdata/corpus.tsv; its header says how it is split.
func corpus(t testing.TB) []utterance {
	t.Helper()
	file, err := os.Open("testdata/corpus.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var all []utterance
	scanner := bufio.NewScanner(file)
	seen := false
	for scanner.Scan() {
		if strings.HasPrefix(scanner.Text(), "#") {
			seen = seen || strings.HasPrefix(scanner.Text(), "# build:")
			continue
		}
		want, text, ok := strings.Cut(scanner.Text(), "\t")
		if !ok {
			t.Fatalf("line %q has no tab", scanner.Text())
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(text))
		all = append(all, utterance{want, text, !seen && h.Sum32()%2 == 1})
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// told writes a meaning as the corpus does.
func told(m Meaning) string {
	var names []string
	for _, i := range m.Intents() {
		names = append(names, string(i))
	}
	switch {
	case len(names) == 0:
		return "unknown"
	case !m.Sure:
		return "choice"
	}
	slices.Sort(names)
	if m.Other {
		return strings.Join(names, "+") + "@other"
	}
	return strings.Join(names, "+")
}

func right(got, want string) bool {
	for w := range strings.SplitSeq(want, "|") {
		parts := strings.Split(w, "+")
		slices.Sort(parts)
		if got == strings.Join(parts, "+") {
			return true
		}
	}
	return false
}

// wrongMoney tells that money or points would be shown to somebody who did not
// ask for them: worse than any other mistake.
func wrongMoney(m Meaning, want string) bool {
	if !m.Sure {
		return false
	}
	for _, i := range m.Intents() {
		if (i == Balance || i == Bill || i == Points) && !strings.Contains(want, string(i)) {
			return true
		}
	}
	return false
}

func TestSentencesAreUnderstood(t *testing.T) {
	for _, half := range []struct {
		name    string
		measure bool
		least   float64
	}{{"build", false, 0.97}, {"measure", true, 0.97}} {
		t.Run(half.name, func(t *testing.T) {
			good, all := 0, 0
			for _, u := range corpus(t) {
				if u.measure != half.measure {
					continue
				}
				all++
				m := Understand(u.text, ChinaMobile)
				if wrongMoney(m, u.want) {
					t.Errorf("%q is answered with %s, want %s: the wrong money", u.text, told(m), u.want)
				}
				if right(told(m), u.want) {
					good++
				} else if !half.measure { // the measuring half is never looked at
					t.Logf("%q = %s %v, want %s", u.text, told(m), m.Intents(), u.want)
				}
			}
			share := float64(good) / float64(all)
			t.Logf("%d of %d right: %.1f %%", good, all, 100*share)
			if share < half.least {
				t.Errorf("%.1f %% right, want at least %.0f %%", 100*share, 100*half.least)
			}
		})
	}
}

// TestMoneyIsNeverGuessed has what looks like a question for a number and is
// another one.
func TestMoneyIsNeverGuessed(t *testing.T) {
	for _, text := range []string{
		"话费多少钱一分钟", "话费怎么算的", "话费可以退吗", "退话费", "话费转给别人", "话费发票", "话费券怎么用", "话费红包",
		"昨天话费扣了多少", "每个月话费多少", "话费太贵了", "话费不对", "多扣了我话费", "为什么查不了话费", "充值记录", "缴费记录",
		"用话费买东西", "话费提醒怎么关", "积分怎么攒", "积分怎么获得", "积分可以转让吗", "套餐外消费", "积分明细和驾照扣分",
		"work life balance", "new balance 鞋", "bill gates", "支付宝余额", "我的芝麻积分", "信用卡账单", "游戏积分", "驾照还剩几分",
		"不想查话费", "不用给我看账单", "别跟我提积分", "上个月余额", "话费流量账单积分", "赠送的话费", "话费返还什么时候到",
		"帮我同学看看他的积分和我的比哪个多，我们昨天打赌输了请吃火锅",
		"我跟你说我昨天去营业厅排了两个小时队，那个小姑娘态度还不好，说什么话费要去另一个柜台，我真的是服了，你们能不能改进一下啊，天天这样谁受得了",
	} {
		m := Understand(text, ChinaMobile)
		if m.Sure && !m.Other {
			for _, i := range m.Intents() {
				if i == Balance || i == Bill || i == Points {
					t.Errorf("%q is answered with %s, want a choice or another answer", text, told(m))
				}
			}
		}
	}
}

func TestCarriersHaveTheirOwnCodes(t *testing.T) {
	for _, tt := range []struct {
		text    string
		carrier Carrier
		want    string
	}{
		{"ＹＥ", ChinaMobile, "balance"}, {"cxyl", ChinaMobile, "usage"}, {"CXZD", ChinaMobile, "bill"}, {"CxTc", ChinaMobile, "plan"}, {"0000", ChinaMobile, "plan"},
		{"102", ChinaMobile, "unknown"}, {"108", ChinaMobile, "unknown"}, {"101", ChinaUnicom, "unknown"},
		{"102", ChinaUnicom, "balance"}, {"CXYE", ChinaUnicom, "balance"}, {"CXTCYL", ChinaUnicom, "usage"}, {"1071", ChinaUnicom, "usage"}, {"２０８２", ChinaUnicom, "usage"},
		{"101", ChinaTelecom, "balance"}, {"102", ChinaTelecom, "balance"}, {"108", ChinaTelecom, "usage"}, {"1080", ChinaTelecom, "unknown"},
	} {
		if got := told(Understand(tt.text, tt.carrier)); got != tt.want {
			t.Errorf("%s at %s = %s, want %s", tt.text, tt.carrier, got, tt.want)
		}
	}
}

func TestTheTableOfCharactersIsSound(t *testing.T) {
	runes := []rune(traditional)
	if len(runes)%2 != 0 {
		t.Fatalf("%d characters, want pairs", len(runes))
	}
	for i := 0; i < len(runes); i += 2 {
		if !isHan(runes[i]) || !isHan(runes[i+1]) {
			t.Errorf("%c%c is no pair of Chinese characters", runes[i], runes[i+1])
		}
		if to := foldRune(runes[i]); to != runes[i+1] {
			t.Errorf("%c becomes %c and %c", runes[i], to, runes[i+1])
		}
		if to := foldRune(runes[i+1]); to != runes[i+1] {
			t.Errorf("%c becomes %c, which becomes %c", runes[i], runes[i+1], to)
		}
	}
}
