package audience

import (
	"io"
	"os"

	"kaimenhong/model/sheet"
)

// The faults of a file as a whole.
var (
	ErrFileSize   = sheet.ErrSize
	ErrFileFormat = sheet.ErrFormat
	ErrFileBomb   = sheet.ErrBomb
)

// The bounds of a file.
const (
	maxFile     = 512 << 20 // bytes as it comes
	maxUnzipped = 2 << 30   // of a workbook, all parts together
	maxCell     = 256       // bytes
)

// spool puts the file where it can be read twice and answers its SHA-256.
func spool(r io.Reader) (*os.File, string, error) { return sheet.Spool(r, maxFile) }

// openSheet finds out what the file is and reads its heading.
func openSheet(f *os.File) (*sheet.Sheet, error) { return sheet.Open(f, maxUnzipped) }
