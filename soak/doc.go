// Package soak lets processes compete for leases while the servers, the network
// and the processes themselves fail, and proves from what they log that no two
// of them could act at once. It has only tests; docs/faults.md describes them.
//
// # When the code moves
//
// The tests build altered copies of Leasehold: stops in variants_test.go has the
// places where a process can be made to stop, and variants has the weaknesses
// that the checker must find. Each alteration is an edit: a package's folder, a
// function of it ("Type.name" for a method), a text that occurs once in that
// function, and what replaces the text. Other files, lines and names may change
// freely. If an edit does not fit any more, every test that builds fails at once
// and names all such edits. Then, for each of them,
//
//  1. find the line that does today what the comment above the edit says, and
//     put its folder, its function and a short text of it into the edit;
//  2. if go build then says "declared and not used", have the new text use the
//     variable ("_ = claim; …");
//  3. run go test -run 'TestVariants/NAME' ./soak. The control must have no
//     violation, and the weak one must have the one that its rule names. If the
//     weak one has none, the edit hits the wrong line, or another check protects
//     the same thing by now: then weaken that one too, or remove the variant,
//     and say so in docs/faults.md.
package soak
