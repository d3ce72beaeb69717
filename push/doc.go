// Package push receives webhook deliveries and runs the jobs that deploy pushed commits.
package push
