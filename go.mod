module leasehold.example/leasehold

go 1.26.0

require (
	github.com/go-zookeeper/zk v1.0.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
