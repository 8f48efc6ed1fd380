package mall

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/seal"
	"kaimenhong/model/sheet"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/mall/internal/db"
)

// The bounds of a file of codes, which is kept in one transaction.
const (
	maxCoupons     = 20_000
	maxCouponFile  = 8 << 20
	maxCouponSheet = 64 << 20 // bytes that a workbook may unpack to
	couponBatch    = 200      // codes in one statement
)

// Coupons is what became of a file of codes.
type Coupons struct {
	Codes int    // different codes in the file
	Added int    // that were not in the pool
	Note  string // what of a workbook is not read; "" for nothing
}

// couponHeads are what the heading may call the column of the codes.
var couponHeads = []string{"券码", "兑换码", "code"}

// ImportCouponFile adds the codes of a CSV (UTF-8 or GB18030) or XLSX file, whose
// heading names the column 券码, to the pool of a gift: all of them, or none when a line
// is wrong. Importing a file again adds nothing.
//
// Errors: ErrCouponFile, ErrCoupon with the line, ErrNoGift; sheet's.
func (m *Mall) ImportCouponFile(ctx context.Context, by, id model.ID, r io.Reader) (Coupons, error) {
	f, _, err := sheet.Spool(r, maxCouponFile)
	if err != nil {
		return Coupons{}, err
	}
	defer func() { _ = f.Close() }()
	table, err := sheet.Open(f, maxCouponSheet)
	if err != nil {
		return Coupons{}, err
	}
	defer table.Close()
	column := slices.IndexFunc(table.Heads, func(h string) bool { return slices.Contains(couponHeads, strings.ToLower(h)) })
	if column < 0 {
		return Coupons{}, ErrCouponFile
	}
	codes, err := readCodes(table, column)
	if err != nil {
		return Coupons{}, err
	}
	if len(codes) == 0 {
		return Coupons{}, ErrCouponFile.Saying("文件里没有券码")
	}
	added, err := m.ImportCoupons(ctx, by, id, codes)
	return Coupons{Codes: len(codes), Added: added, Note: table.Note}, err
}

// readCodes reads the different codes of a table.
func readCodes(table *sheet.Sheet, column int) ([]string, error) {
	var codes []string
	seen := map[string]bool{}
	for len(codes) <= maxCoupons {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			return codes, nil
		}
		if errors.Is(err, sheet.ErrLine) {
			return nil, ErrCoupon.Saying("第%d行：%s", table.Line, fault.Of(err).Text)
		}
		if err != nil {
			return nil, err
		}
		if sheet.Empty(cells) {
			continue
		}
		code := ""
		if column < len(cells) {
			code = strings.TrimSpace(cells[column])
		}
		if table.Workbook {
			code = sheet.Whole(code)
		}
		if !isCode(code) {
			return nil, ErrCoupon.Saying("第%d行：%s", table.Line, ErrCoupon.Text)
		}
		if cutNumber.MatchString(code) {
			return nil, ErrCoupon.Saying("第%d行：“%s”是被表格程序改成数字的券码，末尾几位已经丢失：请把这一列设为文本，重新填写", table.Line, code)
		}
		if !seen[code] {
			code = strings.Clone(code)
			seen[code] = true
			codes = append(codes, code)
		}
	}
	return nil, ErrCouponFile.Saying("一个文件最多%d个券码，请拆成几个文件", maxCoupons)
}

// cutNumber is what a program makes of a code of many digits that it takes for a number:
// nobody knows its last digits any more, and many codes become the same one.
var cutNumber = regexp.MustCompile(`^[0-9]\.[0-9]+E\+?[0-9]{1,3}$|^[0-9]E\+[0-9]{1,3}$`)

func isCode(code string) bool { return fits(code, 100) && len(code) <= 120 }

// sealedCode is a code as it is kept.
type sealedCode struct {
	id           int64
	key, content string
}

// ImportCoupons adds codes, at most 20,000, to the pool of a gift and to its total, in
// one transaction; a code that is there already is passed over, so that a file may be
// imported again. It returns how many were new. by is the operator, 0 for the command
// line.
//
// Errors: ErrCoupon, ErrNoGift when there is no such gift of coupons, sqldb.ErrBusy
// when others import the same codes all the time.
func (m *Mall) ImportCoupons(ctx context.Context, by, id model.ID, codes []string) (int, error) {
	if len(codes) > maxCoupons {
		return 0, ErrCoupon.Saying("一次最多%d个券码", maxCoupons)
	}
	sealed := make([]sealedCode, 0, len(codes))
	for _, code := range codes {
		code = strings.TrimSpace(code)
		if !isCode(code) {
			return 0, ErrCoupon
		}
		coupon := int64(m.IDs.Next())
		sealed = append(sealed, sealedCode{
			coupon, m.Sealer.IndexText(code, "mall_coupon.code"), m.Sealer.SealText([]byte(code), seal.Bind(couponColumn, coupon)),
		})
	}
	for range maxTries {
		added := 0
		err := sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) (err error) {
			added, err = m.importTx(ctx, tx, by, id, sealed)
			return err
		})
		if !errors.Is(err, errAgain) {
			return added, err
		}
	}
	return 0, sqldb.ErrBusy
}

func (m *Mall) importTx(ctx context.Context, tx *sql.Tx, by, id model.ID, codes []sealedCode) (added int, err error) {
	now := m.millis()
	for part := range slices.Chunk(codes, couponBatch) {
		n, err := addCodes(ctx, tx, id, part, now)
		if err != nil {
			return 0, err
		}
		added += n
	}
	n, err := db.New(tx).AddStock(ctx, db.AddStockParams{N: int64(added), ID: int64(id)})
	if err != nil {
		return 0, fmt.Errorf("add stock: %w", err)
	}
	if n == 0 {
		return 0, ErrNoGift.Saying("没有这件券码礼品")
	}
	return added, m.recordTx(ctx, tx, by, "mall.coupons", Gift{ID: id}.ref(), map[string]int{"codes": len(codes), "added": added})
}

// addCodes adds those of at most couponBatch codes that are not in the pool. Errors:
// errAgain when another import adds one of them at this moment.
func addCodes(ctx context.Context, tx *sql.Tx, gift model.ID, codes []sealedCode, now int64) (int, error) {
	keys := make([]string, len(codes))
	for i, c := range codes {
		keys[i] = c.key
	}
	known, err := db.New(tx).KnownCoupons(ctx, db.KnownCouponsParams{GiftID: int64(gift), CodeKeys: keys})
	if err != nil {
		return 0, fmt.Errorf("find known coupons: %w", err)
	}
	there := make(map[string]bool, len(known))
	for _, key := range known {
		there[key] = true
	}
	const head, row = "INSERT INTO mall_coupon (id, gift_id, code_key, code, redemption_id, created_at) VALUES ", "(?,?,?,?,0,?)"
	var args []any
	n := 0
	for _, c := range codes {
		if there[c.key] {
			continue
		}
		there[c.key] = true // also one that comes twice
		args = append(args, c.id, int64(gift), c.key, c.content, now)
		n++
	}
	if n == 0 {
		return 0, nil
	}
	_, err = tx.ExecContext(ctx, head+row+strings.Repeat(","+row, n-1), args...)
	if sqldb.Duplicate(err) {
		return 0, errAgain
	}
	if err != nil {
		return 0, fmt.Errorf("insert coupons: %w", err)
	}
	return n, nil
}
