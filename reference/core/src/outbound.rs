//! Where calls over HTTP may go (D-28).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far from this machine an endpoint may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere but the addresses that no endpoint has: link-local, unspecified, multicast and
    /// broadcast ones, and those known to serve the credentials of cloud machines.
    #[default]
    Any,
    /// Of these, only those that are routed on the public internet.
    Public,
    /// Only this machine.
    Loopback,
}

/// Which addresses and hosts a call may go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundPolicy {
    /// How far.
    pub reach: Reach,
    /// If there are any, only these hosts: names in lower case or addresses as in a URL, each
    /// with an optional `:port`; `*.` in front of a name stands for all names below it.
    pub hosts: Vec<String>,
}

impl OutboundPolicy {
    /// Whether a host may be called at all, whatever it resolves to.
    #[must_use]
    pub fn allows_host(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.hosts.is_empty() || self.hosts.iter().any(|allowed| covers(allowed, host, port))
    }

    /// Whether an address may be connected to, once a name has been resolved.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        let address = plain(address);
        match self.reach {
            Reach::Any => !never(address),
            Reach::Public => !never(address) && is_public(address),
            // What stands inside an address that leads elsewhere is not this machine.
            Reach::Loopback => canonical.is_loopback(),
        }
    }
}

fn covers(allowed: &str, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    let names = |allowed: &str| match allowed.strip_prefix('*') {
        Some(below) => below.starts_with('.') && host.ends_with(below),
        None => host == allowed,
    };
    let with_port = allowed
        .strip_suffix(&port.to_string())
        .and_then(|it| it.strip_suffix(':'));
    names(allowed) || with_port.is_some_and(names)
}

/// An address that stands inside an IPv6 one is judged as itself.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            // NAT64, RFC 6052 and 8215, and the old form of IPv4 inside IPv6.
            [0x64, 0xff9b, 0 | 1, .., high, low] | [0, 0, 0, 0, 0, 0, high @ 1..=0xffff, low] => {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                Ipv4Addr::new(a, b, c, d).into()
            }
            _ => address.to_canonical(),
        },
        IpAddr::V4(_) => address,
    }
}

/// Where machines of clouds find their credentials, outside the link-local ranges.
const METADATA: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// What no policy allows.
fn never(address: IpAddr) -> bool {
    METADATA.contains(&address)
        || match address {
            IpAddr::V4(v4) => {
                let [first, ..] = v4.octets();
                first == 0 || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
            }
            IpAddr::V6(v6) => {
                v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast()
            }
        }
}

/// By the special-purpose registries of RFC 6890.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_documentation()
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19))
                || a >= 240)
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // Global unicast is 2000::/3; documentation and the older tunnels are inside it.
            (0x2000..0x4000).contains(&first)
                && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
                && first != 0x2002
                && !(first == 0x3fff && second < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(reach: Reach, address: &str) -> bool {
        let policy = OutboundPolicy {
            reach,
            hosts: Vec::new(),
        };
        policy.allows_address(address.parse().expect("the test's address"))
    }

    #[test]
    fn how_far_each_reach_goes() {
        // Address, then whether any, public, loopback allow it.
        for (address, any, public, loopback) in [
            ("93.184.216.34", true, true, false),
            ("2606:2800:220:1::1", true, true, false),
            ("127.0.0.1", true, false, true),
            ("127.8.9.10", true, false, true),
            ("::1", true, false, true),
            ("10.0.0.1", true, false, false),
            ("172.31.255.255", true, false, false),
            ("192.168.1.1", true, false, false),
            ("100.64.0.1", true, false, false),
            ("198.18.0.1", true, false, false),
            ("fd12::1", true, false, false),
            ("2001:db8::1", true, false, false),
            ("169.254.169.254", false, false, false),
            ("100.100.100.200", false, false, false),
            ("fd00:ec2::254", false, false, false),
            ("fd00:ec2::23", false, false, false),
            ("fd20:ce::254", false, false, false),
            ("168.63.129.16", false, false, false),
            ("192.0.0.192", false, false, false),
            ("fe80::1", false, false, false),
            ("0.0.0.0", false, false, false),
            ("0.1.2.3", false, false, false),
            ("::", false, false, false),
            ("224.0.0.1", false, false, false),
            ("255.255.255.255", false, false, false),
            // The same in other clothes.
            ("::ffff:169.254.169.254", false, false, false),
            ("64:ff9b::a9fe:a9fe", false, false, false),
            ("64:ff9b:1::a9fe:a9fe", false, false, false),
            ("::169.254.169.254", false, false, false),
            ("::ffff:127.0.0.1", true, false, true),
            ("64:ff9b::7f00:1", true, false, false),
        ] {
            let seen = [Reach::Any, Reach::Public, Reach::Loopback].map(|it| allowed(it, address));
            assert_eq!(seen, [any, public, loopback], "{address}");
        }
    }

    #[test]
    fn where_the_public_internet_ends() {
        // What is just outside each special range is public, what is just inside is not.
        for (public, special) in [
            ("100.63.255.255", "100.64.0.0"),
            ("100.128.0.0", "100.127.255.255"),
            ("101.64.0.0", "100.100.0.0"),
            ("191.0.0.1", "192.0.0.1"),
            ("192.1.0.1", "192.0.0.255"),
            ("192.0.1.1", "192.0.2.1"),
            ("198.17.255.255", "198.18.0.0"),
            ("198.20.0.0", "198.19.255.255"),
            ("197.18.0.1", "198.51.100.1"),
            ("199.19.0.1", "203.0.113.1"),
            ("223.255.255.255", "240.0.0.1"),
            ("2000::1", "1fff:ffff::1"),
            ("2001:200::1", "2001:1ff:ffff::1"),
            ("2001:db7:ffff::1", "2001:db8::1"),
            ("2001:db9::1", "2001:db8:ffff::1"),
            ("2606:db8::1", "2001::1"),
            ("2606:1::1", "2001:1::1"),
            ("2003::1", "2002::1"),
            ("3ffe:fff::1", "3fff:fff:ffff::1"),
            ("3fff:1000::1", "3fff::1"),
            ("3fff:ffff::1", "4000::1"),
        ] {
            assert!(allowed(Reach::Public, public), "{public}");
            assert!(!allowed(Reach::Public, special), "{special}");
            assert!(allowed(Reach::Any, special), "{special}");
        }
    }

    #[test]
    fn hosts_narrow_it() {
        let policy = OutboundPolicy {
            hosts: ["api.example.com", "*.internal", "localhost:8080", "[::1]"]
                .map(str::to_owned)
                .into(),
            ..OutboundPolicy::default()
        };
        for (host, port, expected) in [
            ("api.example.com", 443, true),
            ("api.example.com.", 443, true),
            ("API.example.com", 443, true),
            ("evil-api.example.com", 443, false),
            ("a.internal", 80, true),
            ("internal", 80, false),
            ("evilinternal", 80, false),
            ("localhost", 8080, true),
            ("localhost", 80, false),
            ("[::1]", 1, true),
        ] {
            assert_eq!(policy.allows_host(host, port), expected, "{host}:{port}");
        }
        assert!(OutboundPolicy::default().allows_host("anything", 1));
    }
}
