package probe

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPublic judges an address of every network that is special, at both ends,
// and their neighbours.
func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1": true, "9.255.255.255": true, "11.0.0.0": true, "100.63.255.255": true, "100.128.0.0": true, "172.15.255.255": true,
		"172.32.0.0": true, "192.0.1.0": true, "198.17.255.255": true, "198.20.0.0": true, "223.255.255.255": true, "168.63.129.15": true,
		"2606:4700::1111": true, "2a00::1": true, "2001:200::1": true, "2003::1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.0": false, "10.255.255.255": false, "100.64.0.0": false, "100.100.100.200": false,
		"100.127.255.255": false, "127.0.0.1": false, "127.255.255.255": false, "168.63.129.16": false, "169.254.169.254": false, "172.16.0.0": false,
		"172.31.255.255": false, "192.0.0.0": false, "192.0.0.192": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.0.0": false,
		"192.168.255.255": false, "198.18.0.0": false, "198.19.255.255": false, "198.51.100.9": false, "203.0.113.9": false, "224.0.0.1": false,
		"239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,

		"::": false, "::1": false, "::7f00:1": false, "::ffff:1.1.1.1": false, "::ffff:127.0.0.1": false, "::ffff:0:1.1.1.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::101:101": false, "64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:0:4136:e378::1": false,
		"2001:2::1": false, "2001:10::1": false, "2001:20::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "2002:101:101::1": false,
		"3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false,
		"ff02::1": false, "2a00::1%eth0": false, "4000::1": false,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("Public(%s) = %v, want %v", address, got, want)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

func TestParseAllow(t *testing.T) {
	got, err := ParseAllow("10.1.2.3/16, 192.168.7.7,fd00::1/8, ::1")
	want := []netip.Prefix{
		netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("192.168.7.7/32"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::1/128"),
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("ParseAllow: %v (-want +got)\n%s", err, diff)
	}
	for _, list := range []string{"", "10.0.0.0/8,", "10.0.0.0/33", "a.example.com", "10.0.0.0/8;::1", "fe80::1%eth0", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104"} {
		if got, err := ParseAllow(list); err == nil {
			t.Errorf("ParseAllow(%q) = %v, want an error", list, got)
		}
	}
}

// forms are what may stand for an address of version 4 in version 6.
func forms(v4 [4]byte) map[string]netip.Addr {
	at := func(start []byte, offset int, mask byte) netip.Addr {
		var b [16]byte
		copy(b[:], start)
		for i, x := range v4 {
			b[offset+i] = x ^ mask
		}
		return netip.AddrFrom16(b)
	}
	return map[string]netip.Addr{
		"compatible":         at(nil, 12, 0),
		"mapped":             at([]byte{10: 0xff, 11: 0xff}, 12, 0),
		"translated":         at([]byte{8: 0xff, 9: 0xff}, 12, 0),
		"NAT64":              at([]byte{0, 0x64, 0xff, 0x9b}, 12, 0),
		"local NAT64":        at([]byte{0, 0x64, 0xff, 0x9b, 0, 1}, 12, 0),
		"6to4":               at([]byte{0x20, 2}, 2, 0),
		"Teredo, its server": at([]byte{0x20, 1}, 4, 0),
		"Teredo, its client": at([]byte{0x20, 1}, 12, 0xff),
	}
}

// FuzzPublic: nothing that netip knows to be of no public network is public, and
// nothing that stands for an address of version 4.
func FuzzPublic(f *testing.F) {
	for _, a := range []string{"127.0.0.1", "169.254.169.254", "8.8.8.8", "::1", "fd00::1", "2a00::1", "64:ff9b::a00:1"} {
		f.Add(netip.MustParseAddr(a).AsSlice())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		special := a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || !a.IsGlobalUnicast()
		if Public(a) && special {
			t.Errorf("%s is public", a)
		}
		if a.Is6() && Public(a.WithZone("1")) {
			t.Errorf("%s with a zone is public", a)
		}
		if !a.Is4() {
			return
		}
		for name, form := range forms(a.As4()) {
			if Public(form) {
				t.Errorf("%s, %s as %s, is public", form, a, name)
			}
		}
	})
}
