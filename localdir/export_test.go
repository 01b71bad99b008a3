package localdir

import (
	"io/fs"
	"os"
)

// OpenHooked is Open with call in place of what makes the system calls. It is
// given the name of each, and the full path of its file.
func OpenHooked(dir string, mode fs.FileMode, call func(op, name string, call func() error) error) (*Store, error) {
	return open(dir, Options{Mode: mode}, hooks{fileSystem, call})
}

// OpenOn is Open on a directory that seems to be on the file system that
// statfs reports as magic.
func OpenOn(dir string, magic uint32) (*Store, error) {
	return open(dir, Options{}, hooks{func(*os.File) (string, error) { return networkFileSystem(magic), nil }, callDirectly})
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
