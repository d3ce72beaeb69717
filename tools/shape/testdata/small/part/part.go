// Package part is the smaller half.
package part

func run() {
	func() {
		_ = "behind two tabs, which are eight columns"
	}()
}
