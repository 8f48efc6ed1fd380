package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait.
const patience = time.Minute

// binary is the demo, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(built(m)) }

func built(m *testing.M) int {
	dir, err := os.MkdirTemp("", "demo-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "demo")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// demo is the program in a process of its own.
type demo struct {
	t       *testing.T
	base    string
	took    time.Duration // until it said that it runs
	process *exec.Cmd
	errors  bytes.Buffer
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)

func start(t *testing.T, args ...string) *demo {
	t.Helper()
	d := &demo{t: t, process: exec.CommandContext(t.Context(), binary, args...)}
	d.process.Stderr = &d.errors
	out, err := d.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.process.Process.Kill() }) // unless stop ended it
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "phone ") {
			d.base, d.took = address.FindString(lines.Text()), time.Since(begin)
			return d
		}
	}
	t.Fatalf("the demo does not begin: %v\n%s", d.process.Wait(), d.errors.String())
	return nil
}

// stop ends it by the signal that containers send.
func (d *demo) stop() {
	d.t.Helper()
	if err := d.process.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	if err := d.process.Wait(); err != nil {
		d.t.Errorf("the demo ends with %v, want nil\n%s", err, d.errors.String())
	}
}

func (d *demo) ask(method, path, body string) (int, string) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), method, d.base+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		d.t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

// does asks the sandbox's control for something of the persona.
func (d *demo) does(action, body string) {
	d.t.Helper()
	if status, said := d.ask(http.MethodPost, "/sandbox/control/personas/ordinary/"+action, body); status/100 != 2 {
		d.t.Fatalf("%s %s is answered %d %s", action, body, status, said)
	}
}

func (d *demo) says(text string) { d.does("messages", `{"text":"`+text+`"}`) }

// sees waits until a page of the persona matches and returns what did.
func (d *demo) sees(page, pattern string) []string {
	d.t.Helper()
	want := regexp.MustCompile(pattern)
	limit, look := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer look.Stop()
	for {
		_, shown := d.ask(http.MethodGet, "/sandbox/control/personas/ordinary/"+page, "")
		if found := want.FindStringSubmatch(shown); found != nil {
			return found
		}
		select {
		case <-look.C:
		case <-limit:
			d.t.Fatalf("the %s never shows %s: %s", page, pattern, shown)
		}
	}
}

func TestTheDemoIsReadyAtOnceAndLosesNothingOverARestart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	d := start(t, "--addr", "127.0.0.1:0", "--data", data)
	if status, said := d.ask(http.MethodGet, "/readyz", ""); status != http.StatusOK {
		t.Errorf("/readyz = %d %s, want 200", status, said)
	}
	t.Logf("ready after %s", d.took) // bench holds it to 2 s, on an idle machine
	if status, page := d.ask(http.MethodGet, "/", ""); status != http.StatusOK || !strings.Contains(page, "<html") {
		t.Errorf("/ = %d, want the phone", status)
	}
	d.does("follow", `{}`)
	d.sees("chat", "欢迎")
	d.says("绑定13800138001")
	code := d.sees("sms", `[^0-9]([0-9]{6})[^0-9]`)[1]
	d.says(code)
	d.sees("chat", "绑定成功")
	d.stop()

	again := start(t, "--addr", "127.0.0.1:0", "--data", data)
	again.sees("chat", "绑定成功") // the sandbox kept the chat
	again.says("查话费")
	again.sees("chat", "话费余额") // and the application knows whose number it is
	again.stop()
}

// WeChat is asked of every customer of the demo whether he follows, as of any stranger:
// who does not is sent nothing.
func TestTheDemosCustomersFollowTheAccount(t *testing.T) {
	d := start(t, "--addr", "127.0.0.1:0", "--data", t.TempDir())
	kept := fmt.Sprintf(`outbox_attempts_total{outcome="kept",topic="member.met"} %d`, festivalMembers)
	limit, look := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer look.Stop()
	for {
		_, metrics := d.ask(http.MethodGet, "/metrics", "")
		if strings.Contains(metrics, kept+"\n") {
			break
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("never %s: %s", kept, regexp.MustCompile(`outbox_attempts_total.*`).FindAllString(metrics, -1))
		}
	}
	d.stop()
	if said := d.errors.String(); strings.Contains(said, "topic=member.met") { // others may be under way as it stops
		t.Errorf("it says %s", said)
	}
}

func TestTwoDemosDoNotShareData(t *testing.T) {
	data := t.TempDir()
	d := start(t, "--addr", "127.0.0.1:0", "--data", data)
	out, err := exec.CommandContext(t.Context(), binary, "--addr", "127.0.0.1:0", "--data", data).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another demo is running") {
		t.Errorf("a second demo = %v %s, want that another one is running", err, out)
	}
	d.stop()
}

func TestTheSandboxAloneSaysHowToReachIt(t *testing.T) {
	d := start(t, "sandbox", "--addr", "127.0.0.1:0", "--data", t.TempDir())
	if status, said := d.ask(http.MethodGet, "/sandbox/control/personas", ""); status != http.StatusOK || !strings.Contains(said, "张") {
		t.Errorf("the personas = %d %.80s", status, said)
	}
	if status, _ := d.ask(http.MethodGet, "/readyz", ""); status == http.StatusOK {
		t.Error("the sandbox alone answers as the application")
	}
	d.stop()
}
