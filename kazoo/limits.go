package kazoo

import "fmt"

const (
	// maxDepth is how deep lists and objects may be nested. Python gives up
	// (RecursionError) at 1000 less the depth of its own call stack.
	maxDepth = 500

	// maxDigits is how many digits Python converts to an integer
	// (sys.set_int_max_str_digits), else ValueError.
	maxDigits = 4300
)

// checkLimits returns an error if data, which is valid JSON, is more than
// Python's json module is sure to read, though encoding/json does.
func checkLimits(data []byte) error {
	depth := 0
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			i = stringEnd(data, i)
			continue
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested more than %d deep", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		case isDigit(c):
			start := i
			for i < len(data) && isDigit(data[i]) {
				i++
			}
			digits := i - start
			for i < len(data) && isFloat(data[i]) { // floats may be as long as they like
				digits = 0
				i++
			}
			if digits > maxDigits {
				return fmt.Errorf("has an integer of more than %d digits", maxDigits)
			}
			continue
		}
		i++
	}
	return nil
}

// stringEnd returns where the string that begins at start ends.
func stringEnd(data []byte, start int) int {
	i := start + 1
	for data[i] != '"' {
		if data[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isFloat tells the characters that follow an integer where it is no integer,
// and those after them.
func isFloat(c byte) bool {
	return isDigit(c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}
