package material

import (
	"database/sql"
	"errors"
	"testing"

	"kaimenhong/model/dbtest"
)

func TestAnArchivedKitIsOfferedToNobodyAndReadAsBefore(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, pool *sql.DB) {
		w, ctx := newWorld(t, pool), t.Context()
		part := w.publish(text("回家吧"))
		plan := Plan{Name: "春节回家", Parts: []Part{{Role: "文本", Version: part.ID}}}
		kit, err := w.AddKit(ctx, writer, plan)
		if err != nil {
			t.Fatal(err)
		}
		other, err := w.AddKit(ctx, writer, Plan{Name: "元宵", Parts: plan.Parts})
		if err != nil {
			t.Fatal(err)
		}
		stands := func(archived bool) {
			t.Helper()
			for away, want := range map[bool]bool{true: archived, false: !archived} {
				page, _, err := w.Kits(ctx, away, "回家", "", 10)
				if err != nil || (len(page) == 1) != want || want && page[0].ID != kit.ID {
					t.Errorf("the kits that are archived %v: %+v, %v", away, page, err)
				}
			}
			refused := error(nil)
			if archived {
				refused = ErrKitAway
			}
			if k, err := w.Usable(ctx, kit.ID); !errors.Is(err, refused) || k.Name != "春节回家" || (k.ArchivedAt != 0) != archived {
				t.Errorf("Usable = %+v, %v, want %v", k, err, refused)
			}
			if _, err := w.EditKit(ctx, second, kit.Kit, 1, Plan{}); !errors.Is(err, ErrName) != archived {
				t.Errorf("EditKit = %v", err)
			}
		}
		stands(false)
		for n := range 2 { // the second time it is so already
			k, err := w.ArchiveKit(ctx, second, kit.Kit)
			last := w.audited[len(w.audited)-1]
			if err != nil || k.ID != kit.ID || k.ArchivedAt == 0 || last.Action != "kit.archive" || last.Detail != (archiving{"春节回家", n == 1}) {
				t.Errorf("ArchiveKit = %+v, %v, the audit has %+v", k, err, last)
			}
			stands(true)
		}
		if k, err := w.Usable(ctx, other.ID); err != nil {
			t.Errorf("another one is %+v, %v", k, err)
		}
		if k, err := w.RestoreKit(ctx, second, kit.Kit); err != nil || k.ArchivedAt != 0 {
			t.Errorf("RestoreKit = %+v, %v", k, err)
		}
		stands(false)
		if _, err := w.ArchiveKit(ctx, second, 5); !errors.Is(err, ErrNoKit) {
			t.Errorf("ArchiveKit of none = %v, want %v", err, ErrNoKit)
		}
	})
}
