// Package browser tests the page of "leasehold serve" in a real browser, Debian's
// chromium. It is a module of its own, so that others need not fetch what drives it.
package browser
