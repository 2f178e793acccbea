// Command controlserver is a control server made of the official implementation's own test server. It
// prints its URL as the first line of stdout and serves until stdin ends.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
)

func main() {
	log.SetFlags(0)
	control := &testcontrol.Server{
		DERPMap: &tailcfg.DERPMap{Regions: map[int]*tailcfg.DERPRegion{
			1: {RegionID: 1, RegionCode: "test", RegionName: "Test", Nodes: []*tailcfg.DERPNode{
				{Name: "1a", RegionID: 1, HostName: "derp.test", IPv4: "192.0.2.1", STUNPort: -1},
			}},
		}},
		DNSConfig: &tailcfg.DNSConfig{Proxied: true, Domains: []string{"tailnet.test"}},
	}
	control.HTTPTestServer = httptest.NewUnstartedServer(control)
	control.HTTPTestServer.Start()
	fmt.Println(control.HTTPTestServer.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	control.HTTPTestServer.Close()
}
