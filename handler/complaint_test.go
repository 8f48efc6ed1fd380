package handler

import (
	"context"
	"errors"
	"testing"

	"kaimenhong/model"
)

// pad keeps what it is told.
type pad struct{ kept []string }

func (p *pad) Keep(_ context.Context, _ model.MemberID, message string, _ model.RequestID) (model.ID, error) {
	p.kept = append(p.kept, message)
	return 1, nil
}

func TestAComplaintSaysSomething(t *testing.T) {
	for _, tt := range []struct {
		name, reason, text string
		want               string // "": refused
	}{
		{"a reason alone", "规则不清楚", "", "【红包投诉】pot/1：规则不清楚"},
		{"with words", "其他", " 一直没到账！ ", "【红包投诉】pot/1：其他\n一直没到账！"},
		{"words of no letters are none", "骚扰或欺诈", " 。。。 ", "【红包投诉】pot/1：骚扰或欺诈"},
		{"another reason that nobody names", "其他", "", ""},
		{"another reason in signs alone", "其他", " ，。！😡　", ""},
		{"a blank reason", " 　", "", ""},
		{"a reason of signs", "？？", "!!!", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &pad{}
			in := &complaintInput{}
			in.Body.About, in.Body.Reason, in.Body.Text = "pot/1", tt.reason, tt.text
			_, err := Complaint{Notes: p}.Add(t.Context(), in)
			if tt.want == "" {
				if !errors.Is(err, errComplaint) || len(p.kept) > 0 {
					t.Errorf("Add = %v, kept %q, want it refused", err, p.kept)
				}
				return
			}
			if err != nil || len(p.kept) != 1 || p.kept[0] != tt.want {
				t.Errorf("Add = %v, kept %q, want %q", err, p.kept, tt.want)
			}
		})
	}
}
