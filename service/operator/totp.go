package operator

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"kaimenhong/model"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/operator/internal/db"
)

// A TOTP code as every phone's app makes it, RFC 6238; one step of 30 s to either
// side is taken.
var totpOptions = totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// Enrol makes a new TOTP secret for an account that has none active, and returns
// the otpauth:// address for its QR code. Activate makes it count.
// Errors: ErrUnknown, ErrTOTPState.
func (o *Operators) Enrol(ctx context.Context, id model.ID) (string, error) {
	row, err := o.q.ByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrUnknown
	}
	if err != nil {
		return "", fmt.Errorf("read operator: %w", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: o.opts.Issuer, AccountName: row.Username, SecretSize: 20})
	if err != nil {
		return "", fmt.Errorf("make TOTP secret: %w", err)
	}
	err = sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		n, err := o.q.WithTx(tx).SetTOTP(ctx, db.SetTOTPParams{TotpSealed: o.sealer.SealText([]byte(key.Secret()), totpPlace(id)), ID: int64(id)})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTOTPState
		}
		return o.RecordTx(ctx, tx, model.AuditEntry{Operator: id, Action: "operator.totp_enrol", Target: target(id)})
	})
	if err != nil {
		return "", fmt.Errorf("keep TOTP secret: %w", err)
	}
	return key.URL(), nil
}

// Activate makes the enrolled secret count, after a first code proved that it is in
// the operator's phone. Errors: ErrUnknown, ErrTOTPState, ErrTOTP.
func (o *Operators) Activate(ctx context.Context, id model.ID, code string) error {
	row, err := o.q.ByID(ctx, int64(id))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("read operator: %w", err)
	}
	if row.TotpActive || row.TotpSealed == "" {
		return ErrTOTPState
	}
	step, err := o.step(id, row.TotpSealed, code)
	if err != nil {
		return err
	}
	err = sqldb.InTx(ctx, o.db, func(tx *sql.Tx) error {
		n, err := o.q.WithTx(tx).ActivateTOTP(ctx, db.ActivateTOTPParams{TotpStep: step, ID: int64(id), TotpSealed: row.TotpSealed})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTOTPState
		}
		return o.RecordTx(ctx, tx, model.AuditEntry{Operator: id, Action: "operator.totp_activate", Target: target(id)})
	})
	if err != nil {
		return fmt.Errorf("activate TOTP: %w", err)
	}
	return nil
}

// spendCode takes a code that was not used before. Errors: ErrTOTP.
func (o *Operators) spendCode(ctx context.Context, id model.ID, sealed, code string) error {
	step, err := o.step(id, sealed, code)
	if err != nil {
		return err
	}
	n, err := o.q.SpendStep(ctx, db.SpendStepParams{Step: step, ID: int64(id), StepAfter: step})
	if err != nil {
		return fmt.Errorf("spend TOTP code: %w", err)
	}
	if n == 0 {
		return ErrTOTP
	}
	return nil
}

// step finds which 30 s the code belongs to.
func (o *Operators) step(id model.ID, sealed, code string) (int64, error) {
	secret, err := o.sealer.OpenText(sealed, totpPlace(id))
	if err != nil {
		return 0, fmt.Errorf("open TOTP secret: %w", err)
	}
	now, period := o.now(), int64(totpOptions.Period)
	found := int64(-1)
	for _, skew := range []int64{-1, 0, 1} {
		at := now.Unix()/period + skew
		want, err := totp.GenerateCodeCustom(string(secret), time.Unix(at*period, 0), totpOptions)
		if err != nil {
			return 0, fmt.Errorf("make TOTP code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = at
		}
	}
	if found < 0 {
		return 0, ErrTOTP
	}
	return found, nil
}

// totpPlace binds a sealed secret to its account.
func totpPlace(id model.ID) []byte { return seal.Bind(totpColumn, int64(id)) }
