package story_test

import (
	"net/http"
	"testing"

	"github.com/redis/go-redis/v9"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model/dbtest"
)

// TestRedisMayBeACluster walks through what keeps anything in Redis, on two replicas and
// three nodes, which forget all that they hold in the middle of it.
func TestRedisMayBeACluster(t *testing.T) {
	t.Parallel()
	stores := story.Stores{Name: "cluster", DSN: dbtest.MySQLDSN(t), Redis: dbtest.RedisCluster(t)}
	nodes := make([]*redis.Client, len(stores.Redis.Addrs))
	for i, addr := range stores.Redis.Addrs {
		nodes[i] = redis.NewClient(&redis.Options{Addr: addr})
		defer func() { _ = nodes[i].Close() }()
	}
	w := story.Begin(t, stores)
	game := w.Replica().Publishes().Stock(shelf(w.Now())...).Plays(w.Envelope("回家", nil))[0]
	w.Replica()
	owner := w.Person("ordinary")
	mini := owner.Whole()
	friends := w.Players("family", "student", "senior")
	owner.Says("查话费").Hears("话费余额 " + owner.Balance())
	pot := mini.OpensPot(game)
	friends[0].Helps(pot).Is(http.StatusCreated)
	owner.Gets("第一位好友为您助力")

	for _, node := range nodes {
		if n := node.DBSize(t.Context()).Val(); n == 0 {
			t.Errorf("%s holds nothing: the keys do not spread", node.Options().Addr)
		}
		if err := node.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	friends[0].Helps(pot).Refused(http.StatusConflict, "redpacket.already_helped")
	for _, friend := range friends[1:] {
		friend.Helps(pot).Is(http.StatusCreated)
	}
	mini.Wins(pot, "paid")
	owner.Gets("红包凑满啦")
	owner.Gets("已到账")
	mini.Do("POST", "/redemptions", "pack", map[string]any{"giftId": mini.Finds("carrier")}).Is(http.StatusCreated)
	owner.Says("红包").GetsCard("pages/redpacket/index?pot=" + pot) // it comes beside the answer
	owner.Says("查话费").Hears("话费余额 " + owner.Balance())
}
