package model

// AuditEntry is one line of what operators did. It names persons by their ids: no
// number, no openid, no name.
//
// A domain declares the interface
//
//	RecordTx(ctx context.Context, tx *sql.Tx, e AuditEntry) error
//
// and calls it as the last step of the transaction that changes something, so that
// the line stands exactly when the change does. service/operator keeps the lines.
type AuditEntry struct {
	Operator ID     // 0: no person, the command line or a job
	Action   string // domain.verb, at most 64 bytes: campaign.approve
	Target   Ref    // what it was done to: campaign/42
	Detail   any    // what changed, as JSON, at most 60,000 bytes; nil for nothing
}
