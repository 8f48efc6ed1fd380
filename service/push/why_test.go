package push

import (
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
)

func TestWhatWasLastYearIsToldWithItsYear(t *testing.T) {
	at := func(year, month, day int) model.Millis {
		return model.At(time.Date(year, time.Month(month), day, 20, 30, 0, 0, model.Shanghai))
	}
	sent := model.Delivery{State: model.DeliverySent, Channel: model.CustomChannel, At: at(2025, 12, 30), TappedAt: at(2026, 1, 2)}
	unknown := sent
	unknown.State = model.DeliveryUnknown
	waits := model.Delivery{State: model.DeliveryPending}
	for _, tt := range []struct {
		name string
		d    model.Delivery
		now  model.Millis
		want []string
	}{
		{"sent, asked the same day", model.Delivery{State: model.DeliverySent, At: at(2025, 12, 30)}, at(2025, 12, 30), []string{"12月30日20:30已用"}},
		{"sent, asked after New Year", sent, at(2026, 1, 3), []string{"2025年12月30日20:30已用", "，1月2日20:30点开"}},
		{"unknown, asked a year later", unknown, at(2027, 1, 3), []string{"2025年12月30日20:30用", "2026年1月2日20:30点开"}},
		{"not begun, asked before New Year", waits, at(2025, 12, 30), []string{"等待发送：2026年2月17日20:30开始"}},
	} {
		got := sentence(tt.d, "", model.Dispatch{StartsAt: at(2026, 2, 17)}, tt.now)
		for _, want := range tt.want {
			if before, _, said := strings.Cut(got, want); !said || strings.HasSuffix(before, "年") {
				t.Errorf("%s: %q, want %q in it", tt.name, got, want)
			}
		}
	}
}
