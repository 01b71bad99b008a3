//go:build !linux && !freebsd

package machine

func identity() string { return "" }
