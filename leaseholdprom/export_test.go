package leaseholdprom

// Held returns how many leases c keeps, over or not.
func Held(c *Collector) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}
