// Command derppeer is one client of a relay, made of the official implementation. It connects to the
// region that it is given and does what stdin says, one command a line; what it learns goes to stdout,
// one JSON object a line. It ends when stdin does.
//
//	derppeer derp REGION_JSON [PRIVATE_KEY]
//	    send KEY BYTES FILL
//	    disco KEY
//	    ping
//	    home
//	derppeer mesh REGION_JSON MESH_KEY
//	    forward SOURCE_KEY KEY BYTES FILL
//	derppeer stun ADDRESS
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/disco"
	"tailscale.com/net/netmon"
	"tailscale.com/net/stun"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

func main() {
	log.SetFlags(0)
	if os.Args[1] == "stun" {
		askStun(os.Args[2])
		return
	}
	private := key.NewNode()
	var mesh meshKey
	if os.Args[1] == "mesh" {
		var err error
		mesh, err = parseMeshKey(os.Args[3])
		check(err)
	} else if len(os.Args) > 3 {
		check(private.UnmarshalText([]byte(os.Args[3])))
	}
	client := connect(private, os.Args[2], mesh)
	go receive(client)
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		check(obey(client, strings.Fields(commands.Text())))
	}
	check(client.Close())
}

func connect(private key.NodePrivate, regionJSON string, mesh meshKey) *derphttp.Client {
	var region tailcfg.DERPRegion
	check(json.Unmarshal([]byte(regionJSON), &region))
	quiet := func(string, ...any) {}
	client := derphttp.NewRegionClient(private, quiet, netmon.NewStatic(), func() *tailcfg.DERPRegion {
		return &region
	})
	client.SetCanAckPings(true)
	client.MeshKey = mesh
	client.WatchConnectionChanges = isMesh(mesh)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	check(client.Connect(ctx))
	certificates := 0
	// Not known of a connection through a WebSocket.
	if tls, ok := client.TLSConnectionState(); ok {
		certificates = len(tls.PeerCertificates)
	}
	text, err := private.MarshalText()
	check(err)
	report("connected", map[string]any{
		"key":          client.SelfPublicKey(),
		"privateKey":   string(text),
		"serverKey":    client.ServerPublicKey(),
		"certificates": certificates,
	})
	return client
}

func receive(client *derphttp.Client) {
	for {
		message, err := client.Recv()
		if err != nil {
			report("closed", nil)
			return
		}
		switch m := message.(type) {
		case derp.ReceivedPacket:
			fill := m.Data[0]
			report("packet", map[string]any{
				"source": m.Source,
				"bytes":  len(m.Data),
				"fill":   fill,
				"intact": len(bytes.Trim(m.Data, string(rune(fill)))) == 0,
			})
		case derp.ServerInfoMessage:
			report("info", map[string]any{
				"bytesPerSecond": m.TokenBucketBytesPerSecond,
				"burst":          m.TokenBucketBytesBurst,
			})
		case derp.PeerPresentMessage:
			report("present", map[string]any{
				"peer":    m.Key,
				"address": m.IPPort.Addr(),
				"flags":   int(m.Flags),
			})
		case derp.PeerGoneMessage:
			report("gone", map[string]any{"peer": m.Peer, "reason": int(m.Reason)})
		case derp.PongMessage:
			report("pong", map[string]any{"payload": fmt.Sprintf("%x", m[:])})
		case derp.HealthMessage:
			report("health", map[string]any{"problem": m.Problem})
		case derp.ServerRestartingMessage:
			report("restarting", map[string]any{
				"reconnectInMs": m.ReconnectIn.Milliseconds(),
				"tryForMs":      m.TryFor.Milliseconds(),
			})
			return
		}
	}
}

func obey(client *derphttp.Client, words []string) error {
	switch words[0] {
	case "send":
		var size, fill int
		if _, err := fmt.Sscan(words[2]+" "+words[3], &size, &fill); err != nil {
			return err
		}
		return client.Send(publicKey(words[1]), bytes.Repeat([]byte{byte(fill)}, size))
	case "forward":
		var size, fill int
		if _, err := fmt.Sscan(words[3]+" "+words[4], &size, &fill); err != nil {
			return err
		}
		packet := bytes.Repeat([]byte{byte(fill)}, size)
		return client.ForwardPacket(publicKey(words[1]), publicKey(words[2]), packet)
	case "disco":
		packet := make([]byte, 100)
		copy(packet, disco.Magic)
		return client.Send(publicKey(words[1]), packet)
	case "ping":
		return client.SendPing([8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	case "home":
		client.NotePreferred(true)
	}
	return nil
}

func publicKey(text string) key.NodePublic {
	var public key.NodePublic
	check(public.UnmarshalText([]byte(text)))
	return public
}

func askStun(address string) {
	conn, err := net.Dial("udp", address)
	check(err)
	check(conn.SetDeadline(time.Now().Add(5 * time.Second)))
	id := stun.NewTxID()
	_, err = conn.Write(stun.Request(id))
	check(err)
	buffer := make([]byte, 1500)
	n, err := conn.Read(buffer)
	check(err)
	answered, seen, err := stun.ParseResponse(buffer[:n])
	check(err)
	report("stun", map[string]any{
		"sameId": answered == id,
		"own":    conn.LocalAddr().String(),
		"seen":   seen.String(),
	})
}

func report(event string, facts map[string]any) {
	if facts == nil {
		facts = map[string]any{}
	}
	facts["event"] = event
	check(json.NewEncoder(os.Stdout).Encode(facts))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
