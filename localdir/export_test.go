package localdir

import (
	"io/fs"
	"os"
)

type Step = string

const (
	StepLocked   Step = Step(stepLocked)
	StepPrepared Step = Step(stepPrepared)
	StepCounted  Step = Step(stepCounted)
	StepRenamed  Step = Step(stepRenamed)
	StepDone     Step = Step(stepDone)
)

// OpenHooked is Open with reached called after each step of a grant.
func OpenHooked(dir string, mode fs.FileMode, reached func(Step)) (*Store, error) {
	return open(dir, Options{Mode: mode}, hooks{fileSystem: fileSystem, reached: func(s step) { reached(Step(s)) }})
}

// OpenOn is Open on a directory that seems to be on the file system that
// statfs reports as magic.
func OpenOn(dir string, magic uint32) (*Store, error) {
	return open(dir, Options{}, hooks{
		fileSystem: func(*os.File) (string, error) { return networkFileSystem(magic), nil },
		reached:    func(step) {},
	})
}

var (
	FolderName        = folderName
	LeasePath         = leasePath
	Escape            = escape
	Unescape          = unescape
	NetworkFileSystem = networkFileSystem
	FileSystem        = fileSystem
)

// RewriteToken reads a token file, and writes it anew.
func RewriteToken(data []byte) (again []byte, token int64, err error) {
	t, err := parseTokenFile(data)
	if err != nil {
		return nil, 0, err
	}
	again, err = t.marshal()
	return again, t.Token, err
}
