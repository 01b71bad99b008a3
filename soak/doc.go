// Package soak lets processes compete for leases while the servers, the network
// and the processes themselves fail, and proves from what they log that no two
// of them could act at once. Its tests are all there is to it; see
// docs/faults.md.
package soak
