package audience_test

import (
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/audience"
)

func file(n int) audience.Upload {
	return audience.Upload{Name: "客户.csv", Operator: 1, File: strings.NewReader(customers(n))}
}

// midway runs an import of 100 lines up to its middle: reading stands still until the
// one who halts it is done. Both answers are of one instant.
func midway(t *testing.T, db *sql.DB, halt func(a *audience.Audience, id model.ID) (audience.Import, error)) (*audience.Audience, audience.Import) {
	t.Helper()
	stuck, free := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	a := openWith(t, db, audience.Options{ImportBatch: 10}, func() time.Time { return now }, func() time.Time {
		if asked.Add(1) == 35 { // while the fourth batch is read: one at least is saved or about to be
			close(stuck)
			<-free
		}
		return now
	})
	type answer struct {
		audience.Import
		err error
	}
	ended := make(chan answer, 1)
	go func() {
		i, err := a.Import(t.Context(), file(100))
		ended <- answer{i, err}
	}()
	<-stuck
	list, _, err := a.Imports(t.Context(), "", 10)
	if err != nil || len(list) == 0 || list[0].State != audience.ImportRunning || list[0].Lines != 101 {
		t.Fatalf("Imports = %+v, %v, want one that is running", list, err)
	}
	said, err := halt(a, list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	close(free)
	got := <-ended
	if got.err != nil || got.Import != said {
		t.Errorf("Import = %+v, %v, want what who halted it was told: %+v", got.Import, got.err, said)
	}
	if n, err := a.Count(t.Context(), tree(t, `{"attribute":"plan","op":"eq","value":"畅享129"}`)); n != said.Added || err != nil || said.DoneAt != 0 || said.Line > 31 {
		t.Errorf("customers = %d, %v, want the %d that %+v tells of", n, err, said.Added, said)
	}
	return a, said
}

func TestAPausedImportGoesOnAfterItsLastSavedLine(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, paused := midway(t, db, func(a *audience.Audience, id model.ID) (audience.Import, error) {
			return a.PauseImport(t.Context(), 2, id)
		})
		if paused.State != audience.ImportPaused || !strings.Contains(paused.Text, "已暂停") || !strings.Contains(paused.Text, "同一文件") {
			t.Errorf("PauseImport = %+v, want it paused", paused)
		}
		for _, tt := range []struct {
			name string
			try  func() (audience.Import, error)
			want error
		}{
			{"paused again", func() (audience.Import, error) { return a.PauseImport(t.Context(), 2, paused.ID) }, audience.ErrImportState},
			{"handed in as if new", func() (audience.Import, error) { return a.Import(t.Context(), file(100)) }, audience.ErrPaused},
			{"resumed with another file", func() (audience.Import, error) { return a.ResumeImport(t.Context(), paused.ID, file(99)) }, audience.ErrOtherFile},
			{"resumed with other columns", func() (audience.Import, error) {
				return a.ResumeImport(t.Context(), paused.ID, audience.Upload{File: strings.NewReader("号码\n13800000001\n")})
			}, audience.ErrOtherFile},
			{"another one is resumed", func() (audience.Import, error) { return a.ResumeImport(t.Context(), 7, file(100)) }, audience.ErrNoImport},
			{"another one is paused", func() (audience.Import, error) { return a.PauseImport(t.Context(), 2, 7) }, audience.ErrNoImport},
		} {
			if _, err := tt.try(); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
		if still, err := a.ImportStatus(t.Context(), paused.ID); still != paused || err != nil {
			t.Errorf("after all that = %+v, %v, want %+v", still, err, paused)
		}
		done, err := a.ResumeImport(t.Context(), paused.ID, file(100))
		if err != nil || done.ID != paused.ID || done.State != audience.ImportDone || done.Total != 100 || done.Added != 90 || done.Changed != 0 || done.Refused != 10 {
			t.Errorf("ResumeImport = %+v, %v, want every line once", done, err)
		}
		for _, halt := range []func() (audience.Import, error){
			func() (audience.Import, error) { return a.PauseImport(t.Context(), 2, done.ID) },
			func() (audience.Import, error) { return a.CancelImport(t.Context(), 2, done.ID) },
			func() (audience.Import, error) { return a.ResumeImport(t.Context(), done.ID, file(100)) },
		} {
			if _, err := halt(); !errors.Is(err, audience.ErrImportState) || !strings.Contains(fault.Of(err).Text, "已完成") {
				t.Errorf("what is done is halted: %v", err)
			}
		}
	})
}

func TestACancelledImportKeepsWhatIsSavedAndItsFileMayComeAnew(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		a, cancelled := midway(t, db, func(a *audience.Audience, id model.ID) (audience.Import, error) {
			if _, err := a.PauseImport(t.Context(), 2, id); err != nil {
				return audience.Import{}, err
			}
			return a.CancelImport(t.Context(), 2, id)
		})
		if cancelled.State != audience.ImportCancelled || !strings.Contains(cancelled.Text, "不会撤回") {
			t.Errorf("CancelImport = %+v, want it cancelled", cancelled)
		}
		if _, err := a.ResumeImport(t.Context(), cancelled.ID, file(100)); !errors.Is(err, audience.ErrImportState) {
			t.Errorf("ResumeImport = %v, want ErrImportState", err)
		}
		anew, err := a.Import(t.Context(), file(100))
		if err != nil || anew.ID == cancelled.ID || anew.State != audience.ImportDone || anew.Added != 90-cancelled.Added || anew.Changed != cancelled.Added {
			t.Errorf("the file anew = %+v, %v, want the rest added to %d", anew, err, cancelled.Added)
		}
		if still, err := a.ImportStatus(t.Context(), cancelled.ID); still != cancelled || err != nil {
			t.Errorf("the cancelled one = %+v, %v, want it as it was", still, err)
		}
	})
}
