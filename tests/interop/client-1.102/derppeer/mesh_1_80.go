//go:build client_1_80

package main

// To release 1.80 it was any text.
type meshKey = string

func parseMeshKey(hex string) (meshKey, error) { return hex, nil }

func isMesh(mesh meshKey) bool { return mesh != "" }
