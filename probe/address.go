package probe

import (
	"fmt"
	"net/netip"
	"strings"
)

// special are the networks that are not of the public internet, by IANA's
// registries of special-purpose addresses, and what clouds answer their own
// machines from. Of version 6 only those below 2000::/3 are listed: nothing else
// is public, so mapped and translated forms of version 4 (::ffff:0:0/96,
// 64:ff9b::/96, 64:ff9b:1::/48), link-local, site-local and local addresses need
// no line.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
	"240.0.0.0/4",
	"168.63.129.16/32",           // Azure's own, though it looks public
	"2001::/23",                  // protocols; Teredo among them
	"2001:db8::/32", "3fff::/20", // documentation
	"2002::/16", // 6to4: any address of version 4
)

var unicast6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// Public reports whether an address is one of the public internet. What stands
// for an address of version 4 in version 6 is not, whatever it stands for, and
// neither is anything with a zone. A network's own prefix for NAT64 (RFC 6052)
// cannot be known.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !unicast6.Contains(a) {
		return false
	}
	return !within(special, a)
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ParseAllow reads a comma list of networks (10.1.0.0/16) and single addresses.
func ParseAllow(list string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil || a.Zone() != "" {
				return nil, fmt.Errorf("%q is neither an address nor a network", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is an address of version 4 in version 6; give it as version 4", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}
