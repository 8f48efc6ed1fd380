package chat_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model/dbtest"
)

// The second tap finds the conversation as the first one did, which is not answered yet.
func TestWhoTapsTwiceRedeemsOnce(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		const yes = "确认兑换咖啡券"
		k := newTalk(t, newWorld(t), dbtest.SQLite(t), client, nil, plainOptions)
		k.plays(t, []line{{"积分兑换", "2 咖啡券"}, {"2", "确定吗"}})
		second := ""
		k.sold = func() { second = k.says(t, yes) }
		first := k.says(t, yes)
		if k.world.points.Available != 900 || first != second || !strings.Contains(first, "用了 300积分") {
			t.Errorf("two taps leave %d points, want 900, and are answered\n%s\nand\n%s", k.world.points.Available, first, second)
		}
		k.plays(t, []line{{"积分兑换", "2 咖啡券"}, {"2", "确定吗"}, {yes, "用了 300积分"}})
		if k.world.points.Available != 600 {
			t.Errorf("another one leaves %d points, want 600", k.world.points.Available)
		}
	})
}
