package audience

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience/internal/db"
)

// The faults of stopping an import and of going on.
var (
	ErrPaused      = fault.New(fault.Conflict, "audience.import_paused", "这次导入已暂停")
	ErrImportState = fault.New(fault.Conflict, "audience.import_state", "这次导入的状态已变化，请刷新后再试")
	ErrOtherFile   = fault.New(fault.Conflict, "audience.import_file", "这不是那次导入的文件：请上传同一个文件，列对应关系沿用原来的")
)

// ImportState is how an import stands.
type ImportState string

// The states of an import.
const (
	ImportRunning     ImportState = "running"
	ImportInterrupted ImportState = "interrupted" // whoever saved it died, or met an error: the same file goes on
	ImportPaused      ImportState = "paused"      // by an operator: ResumeImport goes on
	ImportCancelled   ImportState = "cancelled"   // by an operator, for ever: what is saved stays
	ImportDone        ImportState = "done"
)

func haltOf(f db.AudienceImport) ImportState { return ImportState(f.Halt.String) }

func (a *Audience) stands(f db.AudienceImport) Import {
	i := Import{
		ID: model.ID(f.ID), Name: f.Name, Operator: model.ID(f.OperatorID), AsOf: model.Millis(f.AsOf), Line: f.DoneLine, Lines: f.FileLines.Int64, Total: f.Total,
		Added: f.Added, Changed: f.Changed, Refused: f.Refused, CreatedAt: model.Millis(f.CreatedAt), DoneAt: model.Millis(f.DoneAt),
	}
	switch {
	case i.DoneAt != 0:
		i.State = ImportDone
	case f.Halt.Valid:
		i.State = haltOf(f)
	case model.Millis(f.LeasedUntil) > a.nowMillis():
		i.State = ImportRunning
	default:
		i.State = ImportInterrupted
	}
	i.Text = i.sentence()
	return i
}

// sentence tells what an import has done and what can be done with it.
func (i Import) sentence() string {
	saved := "还没有任何一行生效"
	if i.Line > 0 {
		saved = fmt.Sprintf("第%d行及以前已生效：新增%d人，更新%d人，拒绝%d行", i.Line, i.Added, i.Changed, i.Refused)
	}
	switch i.State {
	case ImportDone:
		return fmt.Sprintf("已完成：共%d行，新增%d人，更新%d人，拒绝%d行", i.Total, i.Added, i.Changed, i.Refused)
	case ImportPaused:
		return "已暂停。" + saved + "；其余未导入。要继续，请再次上传同一文件"
	case ImportCancelled:
		return "已取消。" + saved + "（不会撤回）；其余未导入。要重新导入，请上传文件"
	case ImportInterrupted:
		return "已中断。" + saved + "；其余未导入。请再次上传同一文件，会从下一行继续"
	}
	if i.Lines > i.Line && i.Line > 0 {
		return fmt.Sprintf("正在导入，约%d%%。%s", i.Line*100/i.Lines, saved)
	}
	return "正在导入。" + saved
}

// halted is what is answered when saving ended with a fault: the import as it stands
// when an operator halted it, the fault otherwise.
func (a *Audience) halted(ctx context.Context, id int64, why error) (Import, error) {
	if !errors.Is(why, ErrImporting) {
		return Import{}, why
	}
	standing, err := a.ImportStatus(ctx, model.ID(id))
	if err != nil || standing.State == ImportPaused || standing.State == ImportCancelled {
		return standing, err
	}
	return standing, why
}

// PauseImport stops an import after the last batch that is saved, at once: the batch
// under way is rolled back. What is answered is what holds until somebody resumes it.
// Errors: ErrNoImport, ErrImportState.
func (a *Audience) PauseImport(ctx context.Context, by, id model.ID) (Import, error) {
	return a.halt(ctx, by, id, "audience.import_pause", func(q *db.Queries) (int64, error) { return q.PauseImport(ctx, int64(id)) })
}

// CancelImport ends an import for ever. The lines that are saved stay, for what they
// replaced is not known any more; the same file can be handed in anew.
// Errors: ErrNoImport, ErrImportState.
func (a *Audience) CancelImport(ctx context.Context, by, id model.ID) (Import, error) {
	return a.halt(ctx, by, id, "audience.import_cancel", func(q *db.Queries) (int64, error) {
		return q.CancelImport(ctx, db.CancelImportParams{ID: int64(id), FileHash: "cancelled-" + id.String()})
	})
}

func (a *Audience) halt(ctx context.Context, by, id model.ID, action string, change func(q *db.Queries) (int64, error)) (Import, error) {
	var now Import
	err := sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		n, err := change(q)
		if err != nil {
			return err
		}
		f, err := q.ImportByID(ctx, int64(id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoImport
		}
		if err != nil {
			return err
		}
		if now = a.stands(f); n == 0 {
			return ErrImportState.Saying("现在不能这样操作：%s", now.Text)
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: action, Target: importRef(int64(id)), Detail: map[string]int64{
			"line": now.Line, "added": now.Added, "changed": now.Changed, "refused": now.Refused,
		}})
	})
	if err != nil {
		return Import{}, fmt.Errorf("halt import %s: %w", id, err)
	}
	return now, nil
}

// ResumeImport goes on with a paused or interrupted import after its last saved line.
// The file comes again, for none is kept; its mapping and date are those it began with.
//
// Errors: ErrNoImport, ErrImportState for one that is done or cancelled, ErrOtherFile;
// as of Import.
func (a *Audience) ResumeImport(ctx context.Context, id model.ID, u Upload) (Import, error) {
	standing, err := a.q.ImportByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return Import{}, ErrNoImport
	}
	if err != nil {
		return Import{}, fmt.Errorf("read an import: %w", err)
	}
	switch now := a.stands(standing); now.State {
	case ImportDone, ImportCancelled:
		return now, ErrImportState.Saying("现在不能继续：%s", now.Text)
	case ImportRunning:
		return now, ErrImporting
	}
	u.Mapping = nil
	if err := json.Unmarshal([]byte(standing.Mapping), &u.Mapping); err != nil {
		return Import{}, fmt.Errorf("import %s has a mapping that is none: %w", id, err)
	}
	now, err := a.read(u, func(p *parser, hash string) (Import, error) {
		key, _, err := importKey(hash, p.mapping)
		if err != nil {
			return Import{}, err
		}
		if key != standing.FileHash {
			return Import{}, ErrOtherFile
		}
		if err := a.unpause(ctx, u.Operator, standing); err != nil {
			return Import{}, err
		}
		return a.goOn(ctx, p, standing.ID)
	})
	if errors.Is(err, ErrMapping) { // a column that was mapped is missing
		err = ErrOtherFile.With(err)
	}
	return now, err
}

func (a *Audience) unpause(ctx context.Context, by model.ID, standing db.AudienceImport) error {
	err := sqldb.InTx(ctx, a.DB, func(tx *sql.Tx) error {
		q := a.q.WithTx(tx)
		if _, err := q.UnpauseImport(ctx, standing.ID); err != nil { // no row changes when it was interrupted
			return err
		}
		f, err := q.ImportByID(ctx, standing.ID)
		if err != nil {
			return err
		}
		if f.DoneAt != 0 || f.Halt.Valid {
			return ErrImportState
		}
		return a.recordTx(ctx, tx, model.AuditEntry{Operator: by, Action: "audience.import_resume", Target: importRef(standing.ID), Detail: map[string]int64{"line": f.DoneLine}})
	})
	if err != nil {
		return fmt.Errorf("resume import %d: %w", standing.ID, err)
	}
	return nil
}
