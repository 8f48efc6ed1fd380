package audience

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sheet"
)

// Purchases are the carrier's nightly file of what people bought: top-ups, packs and
// the rest, whoever sold them. It is where "bought" and "spent" of a report come from.
type Purchases struct {
	Total   int64       `json:"total"`          // lines with content
	Added   int64       `json:"added"`          // purchases that were not counted before
	Known   int64       `json:"known"`          // counted before: the same file, or the same purchase in another one
	Unknown int64       `json:"unknown"`        // numbers of nobody whom we know
	Refused int64       `json:"refused"`        // lines with a mistake
	Errors  []LineError `json:"errors"`         // the first MaxDryErrors
	Note    string      `json:"note,omitempty"` // what of a workbook is not read
}

// purchaseColumns are the headings that are understood, and those that may be missing.
var purchaseColumns = [...]struct {
	key      string
	titles   []string
	optional bool
}{
	{"phone", []string{"手机号", "手机号码", "号码", "phone"}, false},
	{"kind", []string{"类型", "业务类型", "kind"}, false},
	{"yuan", []string{"金额", "金额（元）", "yuan"}, false},
	{"at", []string{"时间", "办理时间", "at"}, false},
	{"id", []string{"流水号", "订单号", "id"}, false},
	{"product", []string{"产品编码", "产品编号", "商品编码", "商品编号", "product"}, true},
}

// purchaseKinds are what the file may say was bought.
var purchaseKinds = map[string]Kind{
	"充值": TopUp, "top_up": TopUp, "流量包": Pack, "pack": Pack, "购买": Buy, "其他": Buy, "buy": Buy,
}

// purchaseAhead is how far the carrier's clock may be before ours.
const purchaseAhead = 10 * time.Minute

// purchase is one line, read and checked.
type purchase struct {
	index string
	act   Act // but for the member
}

// ImportPurchases counts the purchases of a CSV or XLSX file, by batches. Each has an
// id of the carrier's, by which it counts once, however often a file that names it is
// handed in: one that broke off is handed in again.
// Errors: ErrFileSize, ErrFileFormat, ErrFileBomb, ErrMapping; the store's.
func (a *Audience) ImportPurchases(ctx context.Context, by model.ID, r io.Reader) (Purchases, error) {
	return a.eachPurchase(r, func(hash string) error {
		return a.record(ctx, model.AuditEntry{
			Operator: by, Action: "audience.import_purchases", Target: model.Ref{Type: "audience_file", ID: hash[:maxHash]},
		})
	}, func(batch []purchase, out *Purchases) error {
		acts, err := a.countable(ctx, batch, out)
		if err != nil {
			return err
		}
		added, err := a.did(ctx, acts)
		if err != nil {
			return err
		}
		out.Added += int64(added)
		out.Known += int64(len(acts) - added)
		return nil
	})
}

// CheckPurchases answers what ImportPurchases would do now, and saves nothing.
// Errors: as there.
func (a *Audience) CheckPurchases(ctx context.Context, r io.Reader) (Purchases, error) {
	known := newSeen()
	return a.eachPurchase(r, func(string) error { return nil }, func(batch []purchase, out *Purchases) error {
		acts, err := a.countable(ctx, batch, out)
		if err != nil || len(acts) == 0 {
			return err
		}
		refs := make([]string, len(acts))
		for i, act := range acts {
			refs[i] = act.Ref
		}
		counted, err := a.q.Counted(ctx, refs)
		if err != nil {
			return fmt.Errorf("look for purchases that were counted: %w", err)
		}
		for _, ref := range counted {
			known.before(ref)
		}
		for _, ref := range refs {
			if known.before(ref) {
				out.Known++
			} else {
				out.Added++
			}
		}
		return nil
	})
}

// eachPurchase reads a file: begin is called when its columns are understood, each with
// the lines that are, MaxActs at most.
func (a *Audience) eachPurchase(r io.Reader, begin func(hash string) error, each func([]purchase, *Purchases) error) (Purchases, error) {
	out := Purchases{Errors: []LineError{}}
	f, hash, err := spool(r)
	if err != nil {
		return out, err
	}
	defer func() { _ = f.Close() }()
	s, err := openSheet(f)
	if err != nil {
		return out, err
	}
	defer s.Close()
	out.Note = s.Note
	columns, err := purchaseHeads(s.Heads)
	if err != nil {
		return out, err
	}
	if err := begin(hash); err != nil {
		return out, err
	}
	for last := false; !last; {
		var batch []purchase
		if batch, last, err = a.purchases(s, columns, &out); err != nil {
			return out, err
		}
		if err := each(batch, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// maxHash is how much of a file's hash names it in the audit.
const maxHash = 32

// purchaseHeads finds the columns, -1 for one that may be missing and is.
func purchaseHeads(heads []string) ([len(purchaseColumns)]int, error) {
	var at [len(purchaseColumns)]int
	var missing []string
	for i, c := range purchaseColumns {
		at[i] = slices.IndexFunc(heads, func(h string) bool { return slices.Contains(c.titles, strings.TrimSpace(h)) })
		if at[i] < 0 && !c.optional {
			missing = append(missing, c.titles[0])
		}
	}
	if len(missing) > 0 {
		return at, ErrMapping.Saying("文件缺少列：%s", strings.Join(missing, "、"))
	}
	return at, nil
}

// purchases reads the next lines, MaxActs of them at most.
func (a *Audience) purchases(s *sheet.Sheet, columns [len(purchaseColumns)]int, out *Purchases) (batch []purchase, last bool, err error) {
	for len(batch) < MaxActs {
		cells, err := s.Read()
		if errors.Is(err, io.EOF) {
			return batch, true, nil
		}
		bad := fault.Of(err)
		if err != nil && bad.Code != sheet.ErrLine.Code {
			return nil, false, err
		}
		if err == nil && sheet.Empty(cells) {
			continue
		}
		if out.Total++; out.Total > int64(a.opts.ImportRows) {
			return nil, false, ErrFileSize.Saying("文件超过%d行，请拆成几个文件", a.opts.ImportRows)
		}
		if err == nil {
			var p purchase
			if p, err = a.purchase(cells, columns, s.Workbook); err == nil {
				batch = append(batch, p)
				continue
			}
			bad = fault.Of(err)
		}
		out.Refused++
		if len(out.Errors) < MaxDryErrors {
			out.Errors = append(out.Errors, LineError{s.Line, bad.Text})
		}
	}
	return batch, false, nil
}

// errPurchase is what is wrong with a line, in the words of its text.
var errPurchase = fault.New(fault.Invalid, "audience.purchase", "该行内容不正确")

func (a *Audience) purchase(cells []string, columns [len(purchaseColumns)]int, book bool) (purchase, error) {
	var v [len(columns)]string
	for i, at := range columns {
		if at >= 0 && at < len(cells) {
			v[i] = strings.TrimSpace(cells[at])
		}
	}
	if book {
		v[0], v[2], v[3] = sheet.Whole(v[0]), sheet.Decimal(v[2]), sheet.Whole(v[3])
	}
	phone, err := model.ParsePhone(v[0])
	if err != nil {
		return purchase{}, errPurchase.Saying("手机号不正确，应为11位号码")
	}
	kind, ok := purchaseKinds[v[1]]
	if !ok {
		return purchase{}, errPurchase.Saying("类型应为充值、流量包或购买")
	}
	fen, err := yuan(v[2], maxSpent)
	if err != nil || fen < 0 {
		return purchase{}, errPurchase.Saying("金额不正确，应为元，最多两位小数")
	}
	at, err := purchasedAt(v[3])
	if err != nil || at.After(a.Now().Add(purchaseAhead)) {
		return purchase{}, errPurchase.Saying("时间不正确，应写成2026-02-17 09:30:00，且不能晚于现在")
	}
	if !model.RequestID(v[4]).Valid() {
		return purchase{}, errPurchase.Saying("流水号不正确，应为1到64个字母、数字或符号")
	}
	if !product(v[5]) {
		return purchase{}, errPurchase.Saying("产品编码不正确，应为运营商产品目录里的编码，最多%d个字母、数字或符号，没有就留空", maxProduct)
	}
	return purchase{a.phoneIndex(phone), Act{
		Kind: kind, At: model.At(at), Fen: model.Fen(fen), Product: strings.Clone(v[5]), Ref: "purchase:" + strings.Clone(v[4]),
	}}, nil
}

// secondsADay are those of a day in China, which has no summer time.
const secondsADay = 24 * 60 * 60

func purchasedAt(s string) (time.Time, error) {
	for _, layout := range []string{time.DateTime, "2006/1/2 15:04:05", "2006-01-02 15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, model.Shanghai); err == nil {
			return t, nil
		}
	}
	if whole, part, timed := strings.Cut(s, "."); timed && len(whole) == 5 { // as a workbook counts, with the time as a part of the day
		day, err := date(whole)
		share, bad := strconv.ParseFloat("0."+part, 64)
		if err != nil || bad != nil {
			return time.Time{}, errPurchase
		}
		return day.Start().Add(time.Duration(math.Round(share*secondsADay)) * time.Second), nil
	}
	day, err := date(s)
	if err != nil || day == 0 {
		return time.Time{}, errPurchase
	}
	return day.Start(), nil
}

// countable are the acts of a batch by people whom we know. Those that are older than
// acts are kept are known.
func (a *Audience) countable(ctx context.Context, batch []purchase, out *Purchases) ([]Act, error) {
	indexes := map[string]bool{}
	for _, p := range batch {
		indexes[p.index] = true
	}
	whose := map[string]int64{}
	for part := range slices.Chunk(sorted(indexes), insertBatch) {
		rows, err := a.q.CustomersByPhone(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("find customers: %w", err)
		}
		for _, r := range rows {
			whose[r.PhoneIndex] = r.MemberID
		}
	}
	oldest := (model.DayOf(a.Now()) - Retention + 1).Start()
	acts := make([]Act, 0, len(batch))
	for _, p := range batch {
		id, ok := whose[p.index]
		switch {
		case !ok:
			out.Unknown++
		case p.act.At.Time().Before(oldest):
			out.Known++
		default:
			p.act.Member = model.MemberID(id)
			acts = append(acts, p.act)
		}
	}
	return acts, nil
}
