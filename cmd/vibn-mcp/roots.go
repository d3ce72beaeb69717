package main

// The certificates of public authorities, for a machine that has none of its own,
// such as a container with nothing in it but this program. One that has some uses
// those.
import _ "golang.org/x/crypto/x509roots/fallback"
