package app

import (
	"errors"
	"testing"

	"kaimenhong/service/carrier"
	"kaimenhong/service/mall"
)

func TestOnlyWhatIsCertainEndsADelivery(t *testing.T) {
	for _, tt := range []struct {
		name     string
		progress carrier.Progress
		err      error
		again    bool
		want     mall.State
	}{
		{"completed", carrier.Completed, nil, false, mall.Fulfilled},
		{"accepted", carrier.Accepted, nil, false, mall.Working},
		{"working", carrier.Working, nil, true, mall.Working},
		{"failed", carrier.Failed, nil, true, mall.Failed},
		{"refused", "", carrier.ErrRefused, false, mall.Failed},
		{"refused when sent again under the same id", "", carrier.ErrRefused, true, mall.Failed},
		{"wrong in itself", "", carrier.ErrInvalid, true, mall.Failed},
		{"nobody's number", "", carrier.ErrNoSubscriber, false, mall.Failed},
		{"nobody's number, after a lost answer", "", carrier.ErrNoSubscriber, true, mall.Failed},
		{"not sent: the carrier is busy", "", carrier.ErrBusy, false, mall.Accepted},
		{"not sent: the carrier is away", "", carrier.ErrUnavailable, false, mall.Accepted},
		{"not sent: our credentials", "", carrier.ErrDenied, false, mall.Accepted},
		{"a lost answer", "", carrier.ErrUnknownOutcome, false, mall.Unknown},
		{"a lost answer because the carrier is away", "", carrier.ErrUnknownOutcome.With(carrier.ErrUnavailable), false, mall.Unknown},
		{"a lost answer that looks like a refusal", "", carrier.ErrUnknownOutcome.With(carrier.ErrRefused), false, mall.Unknown},
		{"an answer without sense", "", carrier.ErrBadAnswer, false, mall.Unknown},
		{"another order under the id", "", carrier.ErrReused, true, mall.Unknown},
		{"anything else", "", errors.New("?"), false, mall.Unknown},
	} {
		got := outcome(carrier.Receipt{ID: "7", Progress: tt.progress}, tt.err, tt.again)
		if got.State != tt.want || (got.State == mall.Failed) != (got.Reason != "") ||
			got.Repeat != (tt.again && (errors.Is(tt.err, carrier.ErrRefused) || errors.Is(tt.err, carrier.ErrNoSubscriber))) {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestAMemberIsToldWhichOfHisPointsCameBack(t *testing.T) {
	for _, tt := range []struct {
		told mall.Told
		want string
	}{
		{mall.Told{Points: 80}, "80 积分已退回您的账户，可以重新兑换或换别的礼品。"},
		{mall.Told{Points: 50, Lost: 30}, "50 积分已退回您的账户；另有 30 积分在此期间已过有效期，未能退回。如有疑问，回复“人工”联系我们。"},
		{mall.Told{Lost: 80}, "兑换所用的 80 积分在此期间已过有效期，未能退回。如有疑问，回复“人工”联系我们。"},
	} {
		if got := cameBack(tt.told); got != tt.want {
			t.Errorf("of %+v he is told %q, want %q", tt.told, got, tt.want)
		}
	}
}
