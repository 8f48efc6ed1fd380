package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kaimenhong/sandbox/carrier"
)

// snapshot is the whole world in one JSON file.
type snapshot struct {
	Version int             `json:"version"`
	Moved   time.Duration   `json:"clockMovedNs"`
	WeChat  json.RawMessage `json:"wechat,omitempty"`
	SMS     json.RawMessage `json:"sms,omitempty"`
	Carrier []byte          `json:"carrier,omitempty"` // as the carrier writes it
}

const (
	snapshotFile    = "sandbox.json"
	snapshotVersion = 1
	snapshotEvery   = time.Second
)

// readSnapshot returns what was kept in the folder; none is a new world.
func readSnapshot(dir string) (snapshot, error) {
	var kept snapshot
	if dir == "" {
		return kept, nil
	}
	raw, err := os.ReadFile(filepath.Join(dir, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("read the sandbox: %w", err)
	}
	if err := json.Unmarshal(raw, &kept); err != nil {
		return kept, fmt.Errorf("read the sandbox from %s: %w", filepath.Join(dir, snapshotFile), err)
	}
	if kept.Version != snapshotVersion {
		return kept, fmt.Errorf("%s has version %d, not %d: remove it to begin anew", filepath.Join(dir, snapshotFile), kept.Version, snapshotVersion)
	}
	return kept, nil
}

func (k snapshot) into(w *carrier.World) error {
	if len(k.Carrier) == 0 {
		return nil
	}
	if err := w.Load(bytes.NewReader(k.Carrier)); err != nil {
		return fmt.Errorf("take the carrier up: %w", err)
	}
	return nil
}

// changed asks for a snapshot; it never waits.
func (s *Sandbox) changed() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// keep writes a snapshot after changes, at most once a second.
func (s *Sandbox) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		}
		if err := s.write(); err != nil {
			s.log.Error("sandbox snapshot failed", "error", err)
		}
		pause := time.NewTimer(snapshotEvery)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

// write replaces the file: a crash leaves the old one or the new one, whole.
func (s *Sandbox) write() error {
	var world bytes.Buffer
	if err := s.Carrier.Save(&world); err != nil {
		return err
	}
	platform, err := s.WeChat.State()
	if err != nil {
		return err
	}
	gateway, err := s.SMS.State()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(snapshot{snapshotVersion, time.Duration(s.moved.Load()), platform, gateway, world.Bytes()})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return err
	}
	return replaceFile(filepath.Join(s.opts.Dir, snapshotFile), raw)
}

func replaceFile(name string, raw []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes the rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
