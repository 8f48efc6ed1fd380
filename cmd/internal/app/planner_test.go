package app

import (
	"strings"
	"testing"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/service/push"
)

func TestTheQuotasOfTheAccountAreRead(t *testing.T) {
	opts, err := planning(config.Push{DayCap: 2, WeekCap: 7, Quotas: []string{"official=500000", "mass=200", "custom=900000/3000"}})
	if err != nil {
		t.Fatal(err)
	}
	if opts.Caps != (model.Caps{Day: 2, Week: 7}) {
		t.Errorf("the caps are %+v", opts.Caps)
	}
	for channel, want := range map[model.Channel]push.Quota{
		model.OfficialChannel: {Day: 500_000}, model.MassChannel: {Day: 200, Minute: 60}, model.CustomChannel: {Day: 900_000, Minute: 3000},
		model.MiniChannel: {Day: 1_000_000}, // not named
	} {
		if got := opts.Quota(channel); got != want {
			t.Errorf("the quota of %s is %+v, want %+v", channel, got, want)
		}
	}
	for _, line := range []string{"", "official", "official=", "official=0", "official=-1", "official=1/", "official=1/-1", "official=many", "sms=100", "=100"} {
		if _, err := planning(config.Push{Quotas: []string{line}}); err == nil || !strings.Contains(err.Error(), "KMH_PUSH_QUOTAS") {
			t.Errorf("%q = %v, want an error that names the setting", line, err)
		}
	}
}
