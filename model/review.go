package model

import "kaimenhong/model/fault"

// ErrOwnWork is answered to whoever would review what he made himself.
//
// Whatever is reviewed keeps its maker in its row, and is decided by one guarded
// statement, so that no race and no forgotten check lets the maker through:
//
//	UPDATE thing SET state = 'approved', checker_id = ?, checked_at = ?
//	WHERE id = ? AND state = 'review' AND version = ? AND maker_id <> ?
//
// When no row is hit the domain reads the row and says why: ErrOwnWork where the
// maker is the checker, else its own fault for a state that is no longer review. The
// maker is whoever last changed what is reviewed, not who first made it.
var ErrOwnWork = fault.New(fault.Forbidden, "review.own_work", "不能审核自己提交的内容，请由另一位同事审核")
