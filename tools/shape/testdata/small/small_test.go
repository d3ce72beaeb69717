package small

var table = []string{
	"a line of a test's table, wider than the limit of the test",
}

var wide = "a line of a test outside a table, as wide as that"
