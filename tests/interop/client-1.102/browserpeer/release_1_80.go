//go:build client_1_80

package main

import "tailscale.com/control/controlclient"

// What this release wants besides: nothing.
func addRelease(*controlclient.Options) {}
