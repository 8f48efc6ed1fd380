package handler

import (
	"context"

	"kaimenhong/model"
)

type accountBook interface {
	Bills(ctx context.Context, id model.MemberID) (model.Bills, error)
	UsageDays(ctx context.Context, id model.MemberID, days int) ([]model.UsageDay, error)
	Services(ctx context.Context, id model.MemberID) (model.Plan, error)
}

// Account shows what the carrier knows of a member's number.
type Account struct {
	Book accountBook
}

type billsAnswer struct {
	Body struct {
		State
		Bills []bill `json:"bills" doc:"新的在前"`
	}
}

type bill struct {
	ID       string     `json:"id"`
	Month    string     `json:"month" example:"2026-10"`
	TotalFen model.Fen  `json:"totalFen" doc:"合计（分）"`
	DueFen   model.Fen  `json:"dueFen" doc:"待缴（分）"`
	DueAt    instant    `json:"dueAt,omitempty" format:"date-time"`
	IssuedAt instant    `json:"issuedAt,omitempty" format:"date-time"`
	Items    []billItem `json:"items"`
}

type billItem struct {
	Name      string    `json:"name"`
	AmountFen model.Fen `json:"amountFen" doc:"金额（分）"`
}

// Bills lists the latest bills.
func (h Account) Bills(ctx context.Context, _ *none) (*billsAnswer, error) {
	bills, err := h.Book.Bills(ctx, memberOf(ctx))
	if err != nil {
		return nil, err
	}
	out := &billsAnswer{}
	out.Body.State, out.Body.Bills = stateOf(nil, bills.Stale, bills.AsOf), make([]bill, 0, len(bills.Bills))
	for _, b := range bills.Bills {
		one := bill{b.ID, b.Month, b.Total, b.Due, when(b.DueAt), when(b.Issued), make([]billItem, 0, len(b.Items))}
		for _, i := range b.Items {
			one.Items = append(one.Items, billItem{i.Name, i.Amount})
		}
		out.Body.Bills = append(out.Body.Bills, one)
	}
	return out, nil
}

type daysInput struct {
	Days int `query:"days" minimum:"1" maximum:"92" default:"30" doc:"最近多少天，含今天"`
}

type daysAnswer struct {
	Body struct {
		Days []usageDay `json:"days" doc:"按日期先后，今天在最后"`
	}
}

type usageDay struct {
	Date         string  `json:"date" format:"date"`
	Known        bool    `json:"known" doc:"false：这一天没有采样，用量未知"`
	DataBytes    *int64  `json:"dataBytes,omitempty" doc:"流量（字节）"`
	VoiceSeconds *int64  `json:"voiceSeconds,omitempty" doc:"通话（秒）"`
	Messages     *int64  `json:"messages,omitempty" doc:"短信（条）"`
	From         instant `json:"from,omitempty" format:"date-time" doc:"前一天最后一次采样"`
	Until        instant `json:"until,omitempty" format:"date-time" doc:"当天最后一次采样"`
}

// Usage is the daily curve.
func (h Account) Usage(ctx context.Context, in *daysInput) (*daysAnswer, error) {
	days, err := h.Book.UsageDays(ctx, memberOf(ctx), in.Days)
	if err != nil {
		return nil, err
	}
	out := &daysAnswer{}
	for _, d := range days {
		one := usageDay{Date: d.Day.String(), Known: d.Known}
		if d.Known {
			one.DataBytes, one.VoiceSeconds, one.Messages, one.From, one.Until = &d.Data, &d.Voice, &d.SMS, when(d.From), when(d.Until)
		}
		out.Body.Days = append(out.Body.Days, one)
	}
	return out, nil
}

type servicesAnswer struct{ Body planPart }

// Services lists the plan and the packs.
func (h Account) Services(ctx context.Context, _ *none) (*servicesAnswer, error) {
	plan, err := h.Book.Services(ctx, memberOf(ctx))
	if err != nil {
		return nil, err
	}
	return &servicesAnswer{newPlan(plan, nil)}, nil
}
