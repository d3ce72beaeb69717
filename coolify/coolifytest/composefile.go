package coolifytest

import (
	"encoding/json"
	"strconv"
	"strings"
)

// ComposeFile returns the file from which Coolify would start a container of the
// application, of an image, with the application's uuid as its name. It lacks labels, a
// health check and volumes. JSON is YAML. An unknown application panics.
func (s *Server) ComposeFile(appUUID, image string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := must(s.app(appUUID), "application", appUUID)
	cpus, err := strconv.ParseFloat(a.Limits.CPUs, 64)
	if err != nil {
		panic(err)
	}
	file, err := json.MarshalIndent(object{
		"services": object{a.UUID: object{
			"image": image, "container_name": a.UUID, "restart": "unless-stopped", "env_file": []string{".env"},
			"expose":    strings.Split(a.PortsExposes, ","),
			"networks":  object{a.dest.Network: object{"aliases": []string{a.UUID}}},
			"mem_limit": a.Limits.Memory, "memswap_limit": a.Limits.MemorySwap, "mem_swappiness": 60,
			"mem_reservation": "0", "cpus": cpus, "cpu_shares": 1024,
		}},
		"networks": object{a.dest.Network: object{"external": true, "name": a.dest.Network, "attachable": true}},
	}, "", "    ")
	if err != nil {
		panic(err)
	}
	return string(file)
}
