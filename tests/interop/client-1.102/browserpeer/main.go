// Command browserpeer is a device as a browser has it: the official control client and relay client,
// built for js/wasm, where both have nothing but WebSockets. It has no tunnel and no LocalBackend. It
// joins the network, holds a map stream and the connection to its relay, and does what stdin says, one
// command a line; what it learns goes to stdout, one JSON object a line. It ends when stdin does.
//
//	browserpeer SERVER_URL AUTH_KEY HOSTNAME
//	    update ENDPOINT
//	    relay URL
//	    send KEY BYTES FILL
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"tailscale.com/control/controlclient"
	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/hostinfo"
	"tailscale.com/net/netmon"
	"tailscale.com/net/tsdial"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
	"tailscale.com/types/logid"
	"tailscale.com/types/netmap"
)

func main() {
	log.SetFlags(0)
	peer := join(os.Args[1], os.Args[2], os.Args[3])
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		check(peer.obey(strings.Fields(commands.Text())))
	}
	os.Exit(0)
}

type browserPeer struct {
	control *controlclient.Direct
	monitor *netmon.Monitor
	relay   *derphttp.Client
}

func join(serverURL, authKey, hostname string) *browserPeer {
	monitor := netmon.NewStatic()
	dialer := tsdial.NewDialer(monitor)
	machine := key.NewMachine()
	host := hostinfo.New()
	host.Hostname = hostname
	// The client refuses to log in without one.
	host.BackendLogID = logid.PublicID{}.String()
	options := controlclient.Options{
		ServerURL:            serverURL,
		AuthKey:              authKey,
		GetMachinePrivateKey: func() (key.MachinePrivate, error) { return machine, nil },
		DiscoPublicKey:       key.NewDisco().Public(),
		Hostinfo:             host,
		Dialer:               dialer,
		Logf:                 quiet,
	}
	addRelease(&options)
	control, err := controlclient.NewDirect(options)
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	loginURL, err := control.TryLogin(ctx, controlclient.LoginDefault)
	check(err)
	if loginURL != "" {
		log.Fatalf("the auth key was not enough: %s", loginURL)
	}
	peer := &browserPeer{control: control, monitor: monitor}
	report("joined", map[string]any{"key": peer.private().Public()})
	go func() {
		err := control.PollNetMap(context.Background(), peer)
		report("ended", map[string]any{"error": err.Error()})
	}()
	return peer
}

func (p *browserPeer) private() key.NodePrivate {
	return p.control.GetPersist().PrivateNodeKey()
}

// UpdateFullNetmap implements [controlclient.NetmapUpdater].
func (p *browserPeer) UpdateFullNetmap(nm *netmap.NetworkMap) {
	peers := []map[string]any{}
	for _, peer := range nm.Peers {
		peers = append(peers, map[string]any{
			"name":      peer.Name(),
			"key":       peer.Key(),
			"online":    peer.Online().Get(),
			"endpoints": peer.Endpoints(),
		})
	}
	report("netmap", map[string]any{
		"name":    nm.SelfNode.Name(),
		"peers":   peers,
		"records": len(nm.DNS.ExtraRecords),
	})
}

func (p *browserPeer) obey(words []string) error {
	switch words[0] {
	case "update":
		p.control.SetEndpoints([]tailcfg.Endpoint{
			{Addr: netip.MustParseAddrPort(words[1]), Type: tailcfg.EndpointLocal},
		})
		if err := p.control.SendUpdate(context.Background()); err != nil {
			return err
		}
		report("updated", nil)
	case "relay":
		return p.connectRelay(words[1])
	case "send":
		var size, fill int
		if _, err := fmt.Sscan(words[2]+" "+words[3], &size, &fill); err != nil {
			return err
		}
		var to key.NodePublic
		if err := to.UnmarshalText([]byte(words[1])); err != nil {
			return err
		}
		return p.relay.Send(to, bytes.Repeat([]byte{byte(fill)}, size))
	}
	return nil
}

func (p *browserPeer) connectRelay(url string) error {
	relay, err := derphttp.NewClient(p.private(), url, quiet, p.monitor)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := relay.Connect(ctx); err != nil {
		return err
	}
	p.relay = relay
	go receive(relay)
	return nil
}

func receive(relay *derphttp.Client) {
	for {
		message, err := relay.Recv()
		if err != nil {
			report("closed", nil)
			return
		}
		switch m := message.(type) {
		case derp.ServerInfoMessage:
			// Only now is the relay known to know this client.
			report("info", nil)
		case derp.ReceivedPacket:
			fill := m.Data[0]
			report("packet", map[string]any{
				"source": m.Source,
				"bytes":  len(m.Data),
				"fill":   fill,
				"intact": bytes.Count(m.Data, []byte{fill}) == len(m.Data),
			})
		}
	}
}

func quiet(string, ...any) {}

var output sync.Mutex

func report(event string, facts map[string]any) {
	if facts == nil {
		facts = map[string]any{}
	}
	facts["event"] = event
	output.Lock()
	defer output.Unlock()
	check(json.NewEncoder(os.Stdout).Encode(facts))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
