package handler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// notes are what members tell the people of the account.
type notes interface {
	Keep(ctx context.Context, member model.MemberID, message string, request model.RequestID) (model.ID, error)
}

// Complaint is the complaint entry that every game must have.
type Complaint struct{ Notes notes }

type complaintInput struct {
	Write
	Body struct {
		About  string `json:"about" pattern:"^(pot|campaign)/[1-9][0-9]{0,18}$" doc:"投诉的红包或活动，如 pot/123"`
		Reason string `json:"reason" minLength:"1" maxLength:"20" doc:"原因；为“其他”时须有补充说明"`
		Text   string `json:"text,omitempty" maxLength:"300" doc:"补充说明；没有文字的不记"`
	}
}

type complaintAnswer struct {
	Body struct {
		ID model.ID `json:"id" doc:"投诉编号"`
	}
}

// otherReason is the one that says nothing by itself.
const otherReason = "其他"

var errComplaint = fault.New(fault.Invalid, "complaint.blank", "请用文字写明投诉的原因")

// says tells that a text holds a letter or a digit.
func says(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// Add keeps a complaint with the feedback, where people read it. Its request names
// the member too, for two members may choose the same key.
func (h Complaint) Add(ctx context.Context, in *complaintInput) (*complaintAnswer, error) {
	who := memberOf(ctx)
	hash := sha256.Sum256([]byte(who.String() + "\n" + in.Key))
	reason, more := strings.TrimSpace(in.Body.Reason), says(in.Body.Text)
	if !says(reason) || reason == otherReason && !more {
		return nil, errComplaint
	}
	message := "【红包投诉】" + in.Body.About + "：" + reason
	if more {
		message += "\n" + strings.TrimSpace(in.Body.Text)
	}
	id, err := h.Notes.Keep(ctx, who, message, model.RequestID("complaint-"+hex.EncodeToString(hash[:16])))
	if err != nil {
		return nil, err
	}
	out := &complaintAnswer{}
	out.Body.ID = id
	return out, nil
}
