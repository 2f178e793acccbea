//go:build !client_1_80

package main

import (
	"tailscale.com/control/controlclient"
	"tailscale.com/util/eventbus"
)

// What this release wants besides.
func addRelease(options *controlclient.Options) {
	bus := eventbus.New()
	options.Dialer.SetBus(bus)
	options.Bus = bus
}
