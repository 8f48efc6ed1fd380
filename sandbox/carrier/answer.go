package carrier

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"time"

	"kaimenhong/model"
)

// obj is a JSON object of an answer.
type obj = map[string]any

// refusal is an answer that is no 2xx: TM Forum's Error.
type refusal struct {
	status       int
	code, reason string
}

func (r *refusal) Error() string { return r.code + ": " + r.reason }

// signedIn lets calls with the bearer token pass.
func (w *World) signedIn(next http.Handler) http.Handler {
	want := []byte("Bearer " + w.opts.Token)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			refuse(rw, http.StatusUnauthorized, "40", "missing or wrong credentials")
			return
		}
		next.ServeHTTP(rw, r)
	})
}

const contentType = "application/json;charset=utf-8"

func refuse(rw http.ResponseWriter, status int, code, reason string) {
	reply(rw, status, obj{"code": code, "reason": reason, "message": http.StatusText(status), "status": strconv.Itoa(status), "@type": "Error"})
}

func reply(rw http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil { // only a mistake in this package can cause it
		panic(fmt.Sprintf("sandbox carrier: %v", err))
	}
	rw.Header().Set("Content-Type", contentType)
	rw.WriteHeader(status)
	_, _ = rw.Write(raw) // the caller went away: nothing is left to tell
}

// answer writes what serve returned, or its refusal.
func answer(rw http.ResponseWriter, status int, body any, err error) {
	var no *refusal
	switch {
	case err == nil:
		reply(rw, status, body)
	case errors.As(err, &no):
		refuse(rw, no.status, no.code, no.reason)
	default:
		refuse(rw, http.StatusInternalServerError, "1", err.Error())
	}
}

// list writes a page of a collection with TM Forum's paging headers.
func list(rw http.ResponseWriter, r *http.Request, all []obj, err error) {
	if err != nil {
		answer(rw, 0, nil, err)
		return
	}
	offset, limit := 0, 100
	for name, into := range map[string]*int{"offset": &offset, "limit": &limit} {
		if s := r.URL.Query().Get(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 {
				refuse(rw, http.StatusBadRequest, "23", name+" is not a number")
				return
			}
			*into = n
		}
	}
	total := len(all)
	all = all[min(offset, total):]
	all = all[:min(limit, len(all), 100)]
	rw.Header().Set("X-Total-Count", strconv.Itoa(total))
	rw.Header().Set("X-Result-Count", strconv.Itoa(len(all)))
	status := http.StatusOK
	if len(all) < total {
		status = http.StatusPartialContent
	}
	if all == nil {
		all = []obj{}
	}
	reply(rw, status, all)
}

// read decodes a request's body, at most maxBody bytes of one JSON value.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return &refusal{http.StatusBadRequest, "28", "the body cannot be read"}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &refusal{http.StatusBadRequest, "28", "something follows the body"}
	}
	return nil
}

// yuan writes fen as a decimal of yuan.
func yuan(fen int64) json.Number {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return json.Number(fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100))
}

// fenOf reads a decimal of yuan; false when it is not whole fen or out of range.
func fenOf(n json.Number) (int64, bool) {
	if len(n) > 20 {
		return 0, false
	}
	for i := range len(n) {
		if (n[i] < '0' || n[i] > '9') && n[i] != '.' && n[i] != '-' {
			return 0, false
		}
	}
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return 0, false
	}
	r.Mul(r, big.NewRat(100, 1))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

func money(fen int64) obj { return obj{"unit": "CNY", "value": yuan(fen)} }

// moneyQuantity is money where the standard has a Quantity.
func moneyQuantity(fen int64) obj { return obj{"units": "CNY", "amount": yuan(fen)} }

// unitSize is how many of the world's units one of the carrier's is.
func unitSize(unit string) int64 {
	switch unit {
	case "GB":
		return gb
	case "MB":
		return mb
	case "min":
		return minute
	}
	return 1
}

// quantity writes an amount in its unit, with at most 4 decimals, rounded down.
func quantity(n int64, unit string) obj {
	size := unitSize(unit)
	amount := strconv.FormatInt(n/size, 10)
	if rest := n % size * 10000 / size; rest > 0 {
		amount = fmt.Sprintf("%s.%04d", amount, rest)
	}
	return obj{"amount": json.Number(amount), "units": unit}
}

func stamp(ms int64) string {
	return time.UnixMilli(ms).In(model.Shanghai).Format(time.RFC3339)
}

func period(from, to int64) obj {
	p := obj{}
	if from > 0 {
		p["startDateTime"] = stamp(from)
	}
	if to > 0 {
		p["endDateTime"] = stamp(to)
	}
	return p
}

func ref(id, kind string) obj { return obj{"id": id, "@referredType": kind} }

func party(id, role, kind string) obj { return obj{"id": id, "role": role, "@referredType": kind} }
