module leasehold.example/leasehold/adapters/robfigcron

go 1.26.0

replace leasehold.example/leasehold => ../..

require (
	github.com/robfig/cron/v3 v3.0.1
	leasehold.example/leasehold v0.0.0
)

require (
	github.com/go-zookeeper/zk v1.0.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
