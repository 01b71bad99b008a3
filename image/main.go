// Command image writes the container image of leasehold, as an OCI archive and without a
// daemon, from the programs that were built for its processors:
//
//	image VERSION ARCHIVE ARCH=PROGRAM...
//
// The same programs give the same bytes. SOURCE_DATE_EPOCH is the time of everything in
// it; without one that is 1970.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("image: ")
	if len(os.Args) < 4 {
		log.Fatal("usage: image VERSION ARCHIVE ARCH=PROGRAM...")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func run(version, archive string, programs []string) error {
	var epoch int64
	if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		var err error
		if epoch, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
	}
	created := time.Unix(epoch, 0).UTC()
	data, err := dataLayer(created)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		arch, program, ok := strings.Cut(p, "=")
		if !ok {
			return fmt.Errorf("got %q, want ARCH=PROGRAM", p)
		}
		layer, err := programLayer(program, created)
		if err != nil {
			return err
		}
		image, err := newImage(version, arch, created, data, layer)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return writeArchive(archive, version, created, index)
}

// nobody is a user of no name: what runs in the image is not root unless that is asked
// for, and Kubernetes can check it (runAsNonRoot).
const nobody = "65532:65532"

func newImage(version, arch string, created time.Time, layers ...v1.Layer) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		OS: "linux", Architecture: arch, Created: v1.Time{Time: created},
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User:       nobody,
			Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Entrypoint: []string{"/" + programFile},
			Labels: map[string]string{
				"org.opencontainers.image.title":    "leasehold",
				"org.opencontainers.image.version":  version,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	})
	if err != nil {
		return nil, err
	}
	var added []mutate.Addendum
	for _, l := range layers {
		added = append(added, mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "leasehold/image"}})
	}
	return mutate.Append(image, added...)
}
