package push

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/push/internal/db"
)

// The callbacks that report of a message.
const (
	templateReport  model.InboundKind = "event.templatesendjobfinish"
	massReport      model.InboundKind = "event.masssendjobfinish"
	subscribeReport model.InboundKind = "event.subscribe_msg_sent_event"
)

// Why a message that was sent did not arrive.
const (
	whyBlocked = "push.blocked" // by the user
	whyFailed  = "push.report_failed"
)

// Report takes WeChat's word on what became of messages, by their MsgID. It refines
// "sent" and changes nothing else; a repeat changes nothing. Other callbacks are
// none of its business.
func (p *Planner) Report(ctx context.Context, in model.Inbound) error {
	for _, r := range reportsIn(in) {
		r.ReportedAt = int64(p.now())
		if err := p.q.AddReport(ctx, db.AddReportParams(r)); err != nil && !sqldb.Duplicate(err) {
			return fmt.Errorf("keep a report: %w", err)
		}
		if err := p.apply(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// reportsIn reads the reports of a callback: one, or a list of subscribe messages.
func reportsIn(in model.Inbound) []db.PushReport {
	switch in.Kind {
	case templateReport:
		r := db.PushReport{MsgID: in.MsgID, Delivered: in.Status == "success"}
		if !r.Delivered {
			r.Why = whyFailed
			if strings.Contains(in.Status, "block") {
				r.Why = whyBlocked
			}
		}
		return valid(r)
	case massReport:
		// Who of them was left out is not told: delivered only when nobody was.
		r := db.PushReport{MsgID: in.MsgID, Delivered: in.Status == "send success" || in.Status == "sendsuccess"}
		if !r.Delivered {
			r.Why = whyFailed
		} else if total := in.Fields["TotalCount"]; total == "" || total != in.Fields["SentCount"] {
			return nil
		}
		return valid(r)
	case subscribeReport:
		var out []db.PushReport
		for name, id := range in.Fields {
			if before, ok := strings.CutSuffix(name, "MsgID"); ok {
				r := db.PushReport{MsgID: id, Delivered: in.Fields[before+"ErrorCode"] == "0"}
				if !r.Delivered {
					r.Why = whyFailed
				}
				out = append(out, valid(r)...)
			}
		}
		return out
	}
	return nil
}

// valid leaves out a report that names no message.
func valid(r db.PushReport) []db.PushReport {
	if r.MsgID == "" || len(r.MsgID) > maxMsgID {
		return nil
	}
	return []db.PushReport{r}
}

// apply refines the rows that have the message's receipt. When the receipt is not
// written yet, whoever writes it finds the report (applyEarly).
func (p *Planner) apply(ctx context.Context, r db.PushReport) error {
	for after := int64(0); ; {
		ids, err := p.q.ReceiptsOf(ctx, db.ReceiptsOfParams{MsgID: r.MsgID, After: after, Limit: maxIn})
		if err != nil {
			return fmt.Errorf("find the receipts of a report: %w", err)
		}
		if len(ids) == 0 {
			return nil
		}
		after = ids[len(ids)-1]
		if err := p.refine(ctx, ids, r); err != nil {
			return err
		}
	}
}

func (p *Planner) refine(ctx context.Context, ids []int64, r db.PushReport) error {
	var err error
	if r.Delivered {
		err = p.q.Delivered(ctx, db.DeliveredParams{DeliveredAt: r.ReportedAt, Ids: ids})
	} else {
		err = p.q.NotDelivered(ctx, db.NotDeliveredParams{Why: r.Why, Ids: ids})
	}
	if err != nil {
		return fmt.Errorf("note a report: %w", err)
	}
	return nil
}

// applyEarly refines rows whose reports came before their receipts were written.
func (p *Planner) applyEarly(ctx context.Context, list []*recipient) error {
	rows := map[string][]int64{}
	for _, r := range list {
		if r.out == wasSent && r.msgID != "" {
			rows[r.msgID] = append(rows[r.msgID], r.row.ID)
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(rows)), maxIn) {
		reports, err := p.q.ReportsOf(ctx, ids)
		if err != nil {
			return fmt.Errorf("look for early reports: %w", err)
		}
		if err := p.refineAll(ctx, reports, rows); err != nil {
			return err
		}
	}
	return nil
}

// refineAll refines with one statement for all that say the same.
func (p *Planner) refineAll(ctx context.Context, reports []db.PushReport, rows map[string][]int64) error {
	alike := map[db.PushReport][]int64{}
	for _, r := range reports {
		key := r
		key.MsgID = ""
		key.ReportedAt = reports[0].ReportedAt // of one chunk: moments apart
		alike[key] = append(alike[key], rows[r.MsgID]...)
	}
	for key, ids := range alike {
		for len(ids) > 0 {
			part := ids[:min(len(ids), maxIn)]
			ids = ids[len(part):]
			if err := p.refine(ctx, part, key); err != nil {
				return err
			}
		}
	}
	return nil
}
