package carrier_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/sandbox/carrier"
	"kaimenhong/sandbox/faults"
)

var update = flag.Bool("update", false, "write the golden files anew")

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newWorld(t testing.TB) (*carrier.World, *clock) {
	t.Helper()
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, model.Shanghai)}
	w, err := carrier.New(c.now, nil, carrier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

// ask sends one request to the world and returns the answer.
func ask(t testing.TB, h http.Handler, method, target, body string, header ...string) (int, []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+carrier.DefaultToken)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.Bytes()
}

const (
	arrears  = "13800138003"
	dataLow  = "13800138004"
	recycled = "13800138008"
)

// resources is a call for each resource that the sandbox speaks, of the persona
// who is in arrears.
var resources = []struct{ name, method, target, body string }{
	{"customer", "GET", "/tmf-api/customerManagement/v4/customer/CU-00002-1", ""},
	{"bucket", "GET", "/tmf-api/prepayBalanceManagement/v4/bucket?partyAccount.id=AC-00004-1&usageType=monetary", ""},
	{"usage", "POST", "/tmf-api/usageConsumption/v4/queryUsageConsumption", `{"searchCriteria":{"logicalResource":[{"id":"13800138009"}]}}`},
	{"product", "GET", "/tmf-api/productInventory/v4/product?relatedParty.id=CU-00002-1", ""},
	{"bill", "GET", "/tmf-api/customerBillManagement/v4/customerBill?billingAccount.id=AC-00002-1&limit=2", ""},
	{"rate", "GET", "/tmf-api/customerBillManagement/v4/appliedCustomerBillingRate?billingAccount.id=AC-00002-1&limit=8", ""},
	{"offering", "GET", "/tmf-api/productCatalogManagement/v4/productOffering?limit=2", ""},
	{"offering_one", "GET", "/tmf-api/productCatalogManagement/v4/productOffering/OF-CREDIT-10", ""},
	{"loyalty", "GET", "/tmf-api/loyalty/v4/loyaltyBalance?loyaltyProgramMember.id=CU-00002-1", ""},
	{"order", "POST", "/tmf-api/productOrderingManagement/v4/productOrder", orderBody("golden-1", dataLow, "OF-DATA-1G-1D")},
	{"order_state", "GET", "/tmf-api/productOrderingManagement/v4/productOrder?externalId=golden-1", ""},
	{"topup", "POST", "/tmf-api/prepayBalanceManagement/v4/topupBalance", topUpBody("golden-2", "AC-00002-1", "50.00")},
	{"topup_state", "GET", "/tmf-api/prepayBalanceManagement/v4/topupBalance?externalId=golden-2", ""},
	{"refusal", "GET", "/tmf-api/customerManagement/v4/customer/nobody", ""},
}

func orderBody(key, phone, offering string) string {
	return fmt.Sprintf(`{"externalId":%q,"productOrderItem":[{"id":"1","action":"add","productOffering":{"id":%q},"product":{"realizingResource":[{"id":%q}]}}]}`, key, offering, phone)
}

func topUpBody(key, account, amount string) string {
	return fmt.Sprintf(`{"externalId":%q,"usageType":"monetary","amount":{"amount":%s,"units":"CNY"},"partyAccount":{"id":%q},"bucket":{"id":"MB-%s-MAIN"}}`, key, amount, account, account)
}

func TestEveryResourceIsWhatItWas(t *testing.T) {
	w, _ := newWorld(t)
	h := w.Handler()
	for _, r := range resources {
		t.Run(r.name, func(t *testing.T) {
			status, got := ask(t, h, r.method, r.target, r.body)
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", " "); err != nil {
				t.Fatalf("%d %s: %v", status, got, err)
			}
			pretty.WriteByte('\n')
			path := filepath.Join("testdata", r.name+".json")
			if *update {
				if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("%s %s = %s\nwant %s", r.method, r.target, pretty.Bytes(), want)
			}
		})
	}
}

func TestAWorldIsAFunctionOfItsSeed(t *testing.T) {
	a, c := newWorld(t)
	b, err := carrier.New(c.now, nil, carrier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := carrier.New(c.now, nil, carrier.Options{Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	phones := a.Phones()
	if len(phones) != 2000 {
		t.Fatalf("%d customers, want 2000", len(phones))
	}
	different := 0
	plans := map[string]int{}
	for _, phone := range phones {
		if _, err := model.ParsePhone(phone); err != nil {
			t.Fatalf("%q is no number", phone)
		}
		x, y, z := look(t, a, phone), look(t, b, phone), look(t, other, phone)
		if x != y {
			t.Fatalf("the same seed made %+v and %+v", x, y)
		}
		if x != z {
			different++
		}
		plans[x.Plan]++
	}
	if different < 1900 || len(plans) < 6 {
		t.Errorf("another seed differs in %d customers, %d plans are used; want nearly all, and all", different, len(plans))
	}
}

func look(t testing.TB, w *carrier.World, phone string) carrier.Persona {
	t.Helper()
	p, err := w.Look(phone)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyTheTokenOpens(t *testing.T) {
	w, _ := newWorld(t)
	for _, r := range resources {
		if status, _ := ask(t, w.Handler(), r.method, r.target, r.body, "Authorization", "Bearer wrong"); status != http.StatusUnauthorized {
			t.Errorf("%s with a wrong token = %d, want 401", r.name, status)
		}
	}
}

func TestAnOrderTakesEffectOnceForEachExternalID(t *testing.T) {
	w, c := newWorld(t)
	h := w.Handler()
	const path = "/tmf-api/productOrderingManagement/v4/productOrder"
	before := look(t, w, dataLow)
	for range 3 {
		if status, body := ask(t, h, "POST", path, orderBody("a", dataLow, "OF-DATA-1G-1D"), "Idempotency-Key", "a"); status != 201 {
			t.Fatalf("order = %d %s", status, body)
		}
		c.move(300 * time.Millisecond)
	}
	c.move(time.Second)
	if got, want := look(t, w, dataLow).DataLeft, before.DataLeft+1<<30; got != want {
		t.Errorf("data left = %d, want %d", got, want)
	}
	if status, _ := ask(t, h, "POST", path, orderBody("a", dataLow, "OF-DATA-10G-30D")); status != http.StatusConflict {
		t.Errorf("the same id for something else = %d, want 409", status)
	}
	if status, _ := ask(t, h, "POST", path, orderBody("a", dataLow, "OF-DATA-1G-1D"), "Idempotency-Key", "b"); status != http.StatusBadRequest {
		t.Errorf("two different keys = %d, want 400", status)
	}
}

func TestATopUpMovesThroughItsStatesAndPaysArrears(t *testing.T) {
	w, c := newWorld(t)
	h := w.Handler()
	const path = "/tmf-api/prepayBalanceManagement/v4/topupBalance"
	state := func() string {
		_, raw := ask(t, h, "GET", path+"?externalId=t", "")
		var got []struct{ Status string }
		if err := json.Unmarshal(raw, &got); err != nil || len(got) != 1 {
			t.Fatalf("top-ups of t = %s, %v", raw, err)
		}
		return got[0].Status
	}
	if status, body := ask(t, h, "POST", path, topUpBody("t", "AC-00002-1", "50")); status != 201 {
		t.Fatalf("top-up = %d %s", status, body)
	}
	if got := state(); got != "created" {
		t.Errorf("at once it is %q, want created", got)
	}
	if got := look(t, w, arrears); got.Balance != -4630 || got.Status != "suspended" {
		t.Errorf("before it completes: %+v", got)
	}
	c.move(time.Second)
	if got := state(); got != "completed" {
		t.Errorf("a second later it is %q, want completed", got)
	}
	if got := look(t, w, arrears); got.Balance != 370 || got.Status != "active" {
		t.Errorf("after it: %+v, want 370 fen and active", got)
	}
	w.FailNext(1)
	ask(t, h, "POST", path, topUpBody("u", "AC-00002-1", "50"))
	c.move(time.Second)
	if got := look(t, w, arrears); got.Balance != 370 {
		t.Errorf("a failed top-up moved the balance to %d", got.Balance)
	}
}

func TestARepeatedCallMovesNothingTwice(t *testing.T) {
	set := faults.New(1)
	t.Cleanup(set.Close)
	c := &clock{t: time.Date(2026, 11, 21, 12, 0, 0, 0, model.Shanghai)}
	w, err := carrier.New(c.now, set, carrier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := w.Handler()
	if err := set.Put("carrier.topup", faults.Fault{Kind: faults.Duplicate}); err != nil {
		t.Fatal(err)
	}
	ask(t, h, "POST", "/tmf-api/prepayBalanceManagement/v4/topupBalance", topUpBody("t", "AC-00002-1", "50"))
	c.move(time.Second)
	if got := look(t, w, arrears).Balance; got != 370 {
		t.Errorf("balance = %d, want 370", got)
	}
}

func TestBadOrdersAreRefused(t *testing.T) {
	w, _ := newWorld(t)
	for _, tt := range []struct {
		name, path, body string
		status           int
	}{
		{"no key", "productOrderingManagement/v4/productOrder", orderBody("", dataLow, "OF-DATA-1G-1D"), 400},
		{"an unknown offering", "productOrderingManagement/v4/productOrder", orderBody("x", dataLow, "OF-NONE"), 400},
		{"an unknown number", "productOrderingManagement/v4/productOrder", orderBody("x", "13912345678", "OF-CREDIT-10"), 400},
		{"half a fen", "prepayBalanceManagement/v4/topupBalance", topUpBody("x", "AC-00002-1", "0.005"), 400},
		{"nothing", "prepayBalanceManagement/v4/topupBalance", topUpBody("x", "AC-00002-1", "0"), 400},
		{"a negative amount", "prepayBalanceManagement/v4/topupBalance", topUpBody("x", "AC-00002-1", "-1"), 400},
		{"an unknown account", "prepayBalanceManagement/v4/topupBalance", topUpBody("x", "AC-99999-1", "1"), 404},
		{"no JSON", "prepayBalanceManagement/v4/topupBalance", "<xml>", 400},
	} {
		if status, body := ask(t, w.Handler(), "POST", "/tmf-api/"+tt.path, tt.body); status != tt.status {
			t.Errorf("%s = %d %s, want %d", tt.name, status, body, tt.status)
		}
	}
}

func TestANewMonthGivesNewAllowancesAndABill(t *testing.T) {
	w, c := newWorld(t)
	before := look(t, w, dataLow)
	bills := func() []map[string]any {
		_, raw := ask(t, w.Handler(), "GET", "/tmf-api/customerBillManagement/v4/customerBill?billingAccount.id=AC-00003-1", "")
		var list []map[string]any
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	old := bills()
	c.move(15 * 24 * time.Hour)
	after := look(t, w, dataLow)
	if before.DataLeft >= 1<<30 || after.DataLeft != 30<<30 {
		t.Errorf("data left = %d, then %d; want little, then 30 GB", before.DataLeft, after.DataLeft)
	}
	got := bills()
	if len(got) != 6 || got[0]["id"] == old[0]["id"] || !reflect.DeepEqual(got[1], old[0]) {
		t.Errorf("%d bills, the newest %v; want 6, one of them new", len(got), got[0]["id"])
	}
}

func TestARecycledNumberHasANewHolderAndNoHistory(t *testing.T) {
	w, _ := newWorld(t)
	before := look(t, w, recycled)
	after, err := w.Recycle(recycled)
	if err != nil || after.Holder == before.Holder {
		t.Fatalf("Recycle = %+v, %v; want another holder than %s", after, err, before.Holder)
	}
	if status, _ := ask(t, w.Handler(), "GET", "/tmf-api/customerManagement/v4/customer/CU-00007-1", ""); status != 404 {
		t.Errorf("the old customer = %d, want 404", status)
	}
	if _, raw := ask(t, w.Handler(), "GET", "/tmf-api/customerBillManagement/v4/customerBill?billingAccount.id=AC-00007-2", ""); string(raw) != "[]" {
		t.Errorf("the new customer's bills = %s, want none", raw)
	}
}

func TestAllowancesAreUsedFromTheOneThatEndsFirst(t *testing.T) {
	w, c := newWorld(t)
	ask(t, w.Handler(), "POST", "/tmf-api/productOrderingManagement/v4/productOrder", orderBody("p", dataLow, "OF-DATA-1G-1D"))
	c.move(time.Second)
	before := look(t, w, dataLow).DataLeft
	if p, err := w.Consume(dataLow, "data", 1<<29); err != nil || p.DataLeft != before-1<<29 {
		t.Fatalf("Consume = %+v, %v", p, err)
	}
	c.move(24 * time.Hour) // the day pack ends with the half that is left of it
	if got, want := look(t, w, dataLow).DataLeft, before-1<<30; got != want {
		t.Errorf("data left = %d, want %d", got, want)
	}
	if _, err := w.Consume(dataLow, "smoke", 1); err == nil {
		t.Error("a line without smoke used some")
	}
}

func TestAWorldComesBackFromItsSnapshot(t *testing.T) {
	w, c := newWorld(t)
	if _, err := w.SetBalance(arrears, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Recycle(recycled); err != nil {
		t.Fatal(err)
	}
	ask(t, w.Handler(), "POST", "/tmf-api/prepayBalanceManagement/v4/topupBalance", topUpBody("t", "AC-00002-1", "1"))
	var saved bytes.Buffer
	if err := w.Save(&saved); err != nil {
		t.Fatal(err)
	}
	c.move(40 * 24 * time.Hour)
	again, err := carrier.New(c.now, nil, carrier.Options{Seed: 9, Customers: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Load(bytes.NewReader(saved.Bytes())); err != nil {
		t.Fatal(err)
	}
	for _, phone := range again.Phones() {
		if a, b := look(t, w, phone), look(t, again, phone); a != b {
			t.Fatalf("%+v came back as %+v", a, b)
		}
	}
	if got := look(t, again, arrears).Balance; got != 12445 {
		t.Errorf("the top-up that was in flight left %d fen, want 12445", got)
	}
	if err := again.Load(strings.NewReader(`{"customers":10,"lines":[{"index":10}]}`)); err == nil {
		t.Error("a line outside of the world was loaded")
	}
}

func TestControlChangesTheWorld(t *testing.T) {
	w, _ := newWorld(t)
	h := w.Control()
	for _, tt := range []struct {
		method, target, body string
		status               int
		part                 string
	}{
		{"GET", "/personas", "", 200, `"key":"low_balance"`},
		{"GET", "/customers?phone=13800138001", "", 200, `"balanceFen":8652`},
		{"GET", "/customers?phone=1", "", 400, "no such number"},
		{"POST", "/balance", `{"phone":"13800138001","fen":-5}`, 200, `"status":"suspended"`},
		{"POST", "/consume", `{"phone":"13800138001","kind":"data","amount":1}`, 200, "dataLeftBytes"},
		{"POST", "/consume", `{"phone":"13800138001","kind":"data","amount":-1}`, 400, ""},
		{"POST", "/recycle", `{"phone":"13800138008"}`, 200, `"holderId":"HD-00007-2"`},
		{"POST", "/fail", `{"count":2}`, 200, ""},
		{"POST", "/fail", `garbage`, 400, ""},
	} {
		status, body := ask(t, h, tt.method, tt.target, tt.body)
		if status != tt.status || !strings.Contains(string(body), tt.part) {
			t.Errorf("%s %s = %d %s, want %d with %s", tt.method, tt.target, status, body, tt.status, tt.part)
		}
	}
}

func TestManyAtOnceLoseNothing(t *testing.T) {
	w, c := newWorld(t)
	h := w.Handler()
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			for n := range 10 { // ten ids, each sent by twenty callers
				ask(t, h, "POST", "/tmf-api/prepayBalanceManagement/v4/topupBalance", topUpBody(fmt.Sprint("k", n), "AC-00000-1", "1"))
				w.Personas()
				if i == 0 {
					if err := w.Save(io.Discard); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wait.Wait()
	c.move(time.Second)
	if got := look(t, w, "13800138001").Balance; got != 8652+1000 {
		t.Errorf("balance = %d, want %d", got, 8652+1000)
	}
}
