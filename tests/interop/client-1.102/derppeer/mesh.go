//go:build !client_1_80

package main

import "tailscale.com/types/key"

type meshKey = key.DERPMesh

func parseMeshKey(hex string) (meshKey, error) { return key.ParseDERPMesh(hex) }

func isMesh(mesh meshKey) bool { return !mesh.IsZero() }
