module leasehold.example/leasehold/cmd/leasehold/browser

go 1.26.0

replace leasehold.example/leasehold => ../../..

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	leasehold.example/leasehold v0.0.0-00010101000000-000000000000
)

require (
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/go-zookeeper/zk v1.0.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
