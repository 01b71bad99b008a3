// Package zk is a client of ZooKeeper's servers, with the few requests that
// leases need. Compared with other clients:
//
//   - Every wait ends with its context.
//   - Requests go out in the order in which they are made, on one connection.
//     Several may be sent before the first is answered.
//   - A request is sent once. If the connection is lost before the answer,
//     the caller is told so.
//   - A session that has expired is over. It is never replaced unnoticed.
//   - What a server sends is checked before it is used.
//
// The client knows nothing of leases.
package zk
