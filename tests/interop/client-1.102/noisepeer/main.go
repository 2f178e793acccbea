// Command noisepeer is one end of a ts2021 connection, made by the official implementation. It dials
// the address that it is given, shakes hands in the given role and then sends back all that it reads.
// What it learns goes to stdout, one JSON object a line.
//
//	noisepeer client ADDRESS SERVER_KEY VERSION
//	noisepeer server ADDRESS
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"time"

	"tailscale.com/control/controlbase"
	"tailscale.com/types/key"
)

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	own := key.NewMachine()
	report(map[string]any{"ownKey": own.Public()})
	socket, err := net.Dial("tcp", os.Args[2])
	check(err)
	conn, err := handshake(ctx, socket, own)
	if err != nil {
		report(map[string]any{"error": err.Error()})
		return
	}
	report(map[string]any{"peerKey": conn.Peer(), "version": conn.ProtocolVersion()})
	_, err = io.Copy(conn, conn)
	check(err)
}

func handshake(ctx context.Context, socket net.Conn, own key.MachinePrivate) (*controlbase.Conn, error) {
	if os.Args[1] == "server" {
		return controlbase.Server(ctx, socket, own, nil)
	}
	var server key.MachinePublic
	check(server.UnmarshalText([]byte(os.Args[3])))
	version, err := strconv.ParseUint(os.Args[4], 10, 16)
	check(err)
	return controlbase.Client(ctx, socket, own, server, uint16(version))
}

func report(fact map[string]any) {
	check(json.NewEncoder(os.Stdout).Encode(fact))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
