package txnlog

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Collector gathers what the servers of one ensemble log. Servers remove old
// logs, and remove from them what was never committed.
type Collector struct {
	servers []*serverLogs
}

// serverLogs is what one server has logged.
type serverLogs struct {
	dir   string
	ever  map[int64][]Change // by zxid
	files map[string]logFile // what was there at the last Poll
	cut   map[int64]bool     // zxids that were removed from its log
}

type logFile struct {
	info    fs.FileInfo
	changes map[int64][]Change
}

// NewCollector returns a Collector of the logs in dirs, of all servers of an
// ensemble: the dataLogDir of each, or the dataDir where there is none.
func NewCollector(dirs ...string) *Collector {
	c := &Collector{}
	for _, dir := range dirs {
		c.servers = append(c.servers, &serverLogs{
			dir: dir, ever: map[int64][]Change{}, files: map[string]logFile{}, cut: map[int64]bool{},
		})
	}
	return c
}

// Poll reads what is new. Call it before logs are removed.
func (c *Collector) Poll() error {
	for _, s := range c.servers {
		if err := s.poll(); err != nil {
			return err
		}
	}
	return nil
}

func (s *serverLogs) poll() error {
	there, err := s.readFiles()
	if err != nil {
		return err
	}
	for name, before := range s.files {
		now, kept := there[name]
		if !kept && isPurged(name, there) {
			continue
		}
		for zxid := range before.changes {
			if _, ok := now.changes[zxid]; !ok {
				s.cut[zxid] = true
			}
		}
	}
	for _, file := range there {
		for zxid := range file.changes {
			delete(s.cut, zxid)
		}
	}
	s.files = there
	return nil
}

// readFiles reads all files that are there at one moment.
func (s *serverLogs) readFiles() (map[string]logFile, error) {
	pattern := filepath.Join(s.dir, "version-2", "log.*")
	names, err := filepath.Glob(pattern)
	for err == nil {
		there := map[string]logFile{}
		for _, name := range names {
			file, err := s.read(name)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("transaction log %s: %w", name, err)
			}
			there[name] = file
		}
		before := names
		if names, err = filepath.Glob(pattern); slices.Equal(names, before) {
			return there, nil
		}
	}
	return nil, err
}

func (s *serverLogs) read(name string) (logFile, error) {
	info, err := os.Stat(name)
	if err != nil {
		return logFile{}, err
	}
	if last, ok := s.files[name]; ok && last.info.Size() == info.Size() && last.info.ModTime().Equal(info.ModTime()) {
		return last, nil
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return logFile{}, err
	}
	changes, err := readFile(raw)
	maps.Copy(s.ever, changes)
	return logFile{info, changes}, err
}

// isPurged reports whether a file that is gone was removed for its age: all
// that is there is newer. Files are named after the first zxid in them.
func isPurged(gone string, there map[string]logFile) bool {
	for name := range there {
		if firstZxid(name) < firstZxid(gone) {
			return false
		}
	}
	return true
}

func firstZxid(name string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(filepath.Ext(name), "."), 16, 64)
	if err != nil {
		return 0 // not a log's name; read has returned an error
	}
	return n
}

// Changes returns what was committed, in order: what a majority of the servers
// has logged.
func (c *Collector) Changes() []Change {
	all, _ := c.committed()
	return all
}

// Lost returns the zxids of what was committed and is not any more: a majority
// had logged it, and a majority has not. A server that was sent a snapshot
// keeps in its log what the snapshot does not have; so the zxids of later
// changes are among them that can't be after what was logged before, like the
// creation of a node that there is.
func (c *Collector) Lost() []int64 {
	all, lost := c.committed()
	lost = append(lost, impossible(all)...)
	slices.Sort(lost)
	return slices.Compact(lost)
}

// impossible returns the zxids of the changes that can't follow those before
// them. Of a node that was there before the first nothing is known.
func impossible(all []Change) (zxids []int64) {
	there := map[string]bool{}
	for _, c := range all {
		if was, known := there[c.Path]; known && was == (c.Kind == Created) {
			zxids = append(zxids, c.Zxid)
		}
		there[c.Path] = c.Kind != Deleted
	}
	return zxids
}

func (c *Collector) committed() (all []Change, lost []int64) {
	logged, cut := map[int64]int{}, map[int64]int{}
	majority := len(c.servers)/2 + 1
	for _, s := range c.servers {
		for zxid, changes := range s.ever {
			if logged[zxid]++; logged[zxid] == majority {
				all = append(all, changes...)
			}
			if s.cut[zxid] {
				cut[zxid]++
			}
		}
	}
	for zxid, n := range cut {
		if logged[zxid] >= majority && logged[zxid]-n < majority {
			lost = append(lost, zxid)
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return cmp.Compare(a.Zxid, b.Zxid) })
	return all, lost
}
