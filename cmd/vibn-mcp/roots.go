package main

// This import embeds the certificates of public authorities, for a machine without
// certificates, such as a container that holds only this program. The machine's own
// certificates take precedence.
import _ "golang.org/x/crypto/x509roots/fallback"
