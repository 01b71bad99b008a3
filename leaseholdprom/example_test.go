package leaseholdprom_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leaseholdprom"
	"leasehold.example/leasehold/leasetest"
)

func Example() {
	metrics := leaseholdprom.New()
	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	registry.MustRegister(metrics)

	store := leasetest.NewStore() // zookeeper.Open, in earnest
	client := leasehold.Client{Store: store, Holder: "host-a", Observe: metrics.Observe}
	lease, err := client.TryAcquire(context.Background(), "/db_leases/hourly_cleanup", 70*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	err = lease.Hold(context.Background(), func(context.Context) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	other := leasehold.Client{Store: store, Holder: "host-b", Observe: metrics.Observe}
	_, err = other.TryAcquire(context.Background(), "/db_leases/hourly_cleanup", 70*time.Minute)
	fmt.Println("host-b is denied:", errors.Is(err, leasehold.ErrHeld))

	families, err := registry.Gather() // what promhttp.Handler serves
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if n := m.GetCounter().GetValue(); n > 0 {
				fmt.Printf("%s{result=%q} %v\n", family.GetName(), m.GetLabel()[0].GetValue(), n)
			}
		}
	}
	// Output:
	// host-b is denied: true
	// leasehold_acquires_total{result="denied"} 1
	// leasehold_acquires_total{result="granted"} 1
}
