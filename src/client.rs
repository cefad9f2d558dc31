//! Where a request comes from: what limits on addresses count by and what a session remembers of its device.

use std::net::{IpAddr, Ipv4Addr};

/// The longest user agent that is kept, in characters: real ones are shorter, and what a client chooses is stored.
const LONGEST_AGENT: usize = 200;

/// Who sent a request, as far as the network tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Of the client itself where trusted proxies tell it, else of whoever connected.
    pub address: IpAddr,
    /// What the program calls itself: at most 200 characters, none of them control characters; any client can write
    /// anything here.
    pub user_agent: Option<String>,
}

impl Client {
    /// A client at `address`; an IPv4 address that is written as IPv6 is taken as IPv4.
    pub fn new(address: IpAddr, user_agent: Option<&str>) -> Self {
        let user_agent = user_agent.map(|agent| {
            agent.chars().filter(|letter| !letter.is_control()).take(LONGEST_AGENT).collect::<String>()
        });
        Self {
            address: address.to_canonical(),
            user_agent: user_agent.filter(|agent| !agent.trim().is_empty()),
        }
    }

    /// A client of which nothing is known, as behind a socket without addresses.
    pub fn unknown() -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), None)
    }

    /// The network that counts as one client, as a number: an IPv4 address, or the /64 of an IPv6 address, because a
    /// single connection is commonly given a whole one.
    pub fn network(&self) -> u128 {
        match self.address {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Client;

    fn network(address: &str) -> u128 {
        Client::new(address.parse().unwrap(), None).network()
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_an_ipv4_client_its_address() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::ffff"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn a_user_agent_is_cut_and_cleaned() {
        let agent = |text: &str| Client::new([127, 0, 0, 1].into(), Some(text)).user_agent;
        assert_eq!(agent("Mozilla/5.0\u{7} (x)\r\n").as_deref(), Some("Mozilla/5.0 (x)"));
        assert_eq!(agent(&"é".repeat(300)).map(|agent| agent.chars().count()), Some(200));
        assert_eq!(agent(" "), None);
    }
}
