//! The address of a client behind proxies: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Anybody can send these headers, so they count only when a trusted proxy connects, and only as far as trusted proxies
//! wrote them: each proxy appends whom it spoke with, so the chain is read from its right end, and the first address that
//! is no trusted proxy's is the client. What stands further left is the client's own word.
//!
//! A proxy writes one of the two headers and may hand through the other as a client sent it. Where both are there and do
//! not name the same client, neither is believed, and the request counts as the proxy's own.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether anybody says that this was forwarded.
pub(super) fn is_told(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key(X_FORWARDED_FOR)
}

/// The client's address, when `peer` connected and sent `headers`.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let standard = lines(headers, &header::FORWARDED).map(|text| chain(&text, for_of));
    let usual = lines(headers, &X_FORWARDED_FOR).map(|text| chain(&text, address_of));
    let told = |chain: Vec<Option<IpAddr>>| first_untrusted(peer, &chain, trusted);
    match (standard.map(told), usual.map(told)) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

/// Whether `address` is of a trusted proxy.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address.to_canonical()))
}

/// All lines of a header as one list; what is no text makes its element unreadable, not absent.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).map(|line| line.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The hops from the client's end to ours; none for one that cannot be read or hides.
fn chain(text: &str, read: impl Fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    split_outside_quotes(text, ',').into_iter().map(read).collect()
}

/// A hop that hides ends the search: whoever reported it is as far as one can see.
fn first_untrusted(peer: IpAddr, chain: &[Option<IpAddr>], trusted: &[IpNet]) -> IpAddr {
    let mut seen = peer;
    for hop in chain.iter().rev() {
        let Some(address) = *hop else { return seen };
        seen = address;
        if !is_trusted(address, trusted) {
            return seen;
        }
    }
    seen
}

/// The address in an element of `Forwarded`, such as `for="[2001:db8::1]:4711";proto=https`.
fn for_of(element: &str) -> Option<IpAddr> {
    split_outside_quotes(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        name.trim().eq_ignore_ascii_case("for").then(|| address_of(quoted.unwrap_or(value)))?
    })
}

/// An address with or without a port, IPv6 with or without brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|address| address.to_canonical())
}

/// A quoted part may have the separator in it; an open quote runs to the end and is then no address.
fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|letter: char| {
        let is_separator = letter == separator && !quoted;
        match letter {
            _any if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _other => {}
        }
        is_separator
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::client_address;

    const PROXIES: &str = "10.0.0.0/8 2001:db8:ffff::/48";

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted: Vec<_> = PROXIES.split(' ').map(|network| network.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        client_address(peer.parse().unwrap(), &map, &trusted).to_string()
    }

    #[test]
    fn strangers_cannot_say_who_they_are() {
        for header in [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")] {
            assert_eq!(client("192.0.2.1", &[header]), "192.0.2.1");
        }
        assert_eq!(client("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn the_client_is_the_first_hop_from_the_right_that_is_no_proxy() {
        let usual = |value: &str| client("10.0.0.1", &[("x-forwarded-for", value)]);
        assert_eq!(usual("198.51.100.1"), "198.51.100.1");
        assert_eq!(usual("203.0.113.9, 198.51.100.1"), "198.51.100.1");
        assert_eq!(usual("203.0.113.9, 198.51.100.1,10.2.2.2 , 10.3.3.3"), "198.51.100.1");
        assert_eq!(usual("10.2.2.2, 10.3.3.3"), "10.2.2.2");
        assert_eq!(usual("198.51.100.1:4711"), "198.51.100.1");
        assert_eq!(usual("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(usual("2001:db8::1"), "2001:db8::1");
        assert_eq!(usual("::ffff:10.1.1.1"), "10.1.1.1");
        assert_eq!(client("::ffff:10.0.0.1", &[("x-forwarded-for", "198.51.100.1")]), "198.51.100.1");
        let two_lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.1")];
        assert_eq!(client("10.0.0.1", &two_lines), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_with_its_quotes() {
        let standard = |value: &str| client("2001:db8:ffff::1", &[("forwarded", value)]);
        assert_eq!(standard("for=198.51.100.1"), "198.51.100.1");
        assert_eq!(standard("For=\"[2001:db8:cafe::17]:4711\";proto=https"), "2001:db8:cafe::17");
        assert_eq!(standard("by=10.0.0.2;for=198.51.100.1;host=\"a,b;c\""), "198.51.100.1");
        assert_eq!(standard("for=203.0.113.9, for=198.51.100.1, for=10.0.0.7"), "198.51.100.1");
        // What a client puts into an open quote hides itself, and nothing behind it.
        assert_eq!(standard("for=\"203.0.113.9, for=198.51.100.1"), "2001:db8:ffff::1");
    }

    #[test]
    fn a_hop_that_hides_or_cannot_be_read_is_whoever_reported_it() {
        for hidden in ["unknown", "_secret", "", "999.1.1.1", "proto=https"] {
            let value = format!("for=203.0.113.9, for={hidden}, for=10.0.0.7");
            assert_eq!(client("10.0.0.1", &[("forwarded", &value)]), "10.0.0.7", "{hidden}");
        }
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "203.0.113.9, what")]), "10.0.0.1");
    }

    #[test]
    fn two_headers_that_disagree_are_not_believed() {
        let both = |standard: &str| {
            client("10.0.0.1", &[("forwarded", standard), ("x-forwarded-for", "198.51.100.1")])
        };
        assert_eq!(both("for=198.51.100.1"), "198.51.100.1");
        assert_eq!(both("for=203.0.113.9"), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,80}") {
            client("10.0.0.1", &[("forwarded", &value)]);
            client("10.0.0.1", &[("x-forwarded-for", &value)]);
        }
    }
}
