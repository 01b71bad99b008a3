package docs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestPrometheusRules runs the rules' own tests, and wants all metrics that they and
// operating.md name to be those that serve.md lists.
func TestPrometheusRules(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("promtool", "test", "rules", "leasehold.test.yml")
	cmd.Dir = "prometheus"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s; if it is missing: scripts/deps debian", err, out)
	}
	listed, err := os.ReadFile("serve.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"operating.md", "prometheus/leasehold.rules.yml", "prometheus/leasehold.test.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\bleasehold_[a-z_]+[a-z]\b`).FindAllString(string(text), -1)
		for _, name := range names {
			if name != "leasehold_grace" && name != "leasehold_paths" && !strings.Contains(string(listed), "`"+name) {
				t.Errorf("%s: got the metric %s, want one of serve.md's", file, name)
			}
		}
		if len(names) == 0 {
			t.Errorf("%s: got no metric, want some", file)
		}
	}
}
