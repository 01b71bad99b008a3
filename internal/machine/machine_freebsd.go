package machine

import "golang.org/x/sys/unix"

func identity() string {
	id, _ := unix.Sysctl("kern.hostuuid") // "" with an error
	return id
}
