//! Names to addresses: each name once in a round, however many questions it has and whichever families they want.
//!
//! The operating system's lookup can't be given up: a thread of its own waits for its end, and takes up memory until then. So a lookup
//! that goes on is shared, and not begun again.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// The stack of a lookup's thread, in bytes.
const STACK: usize = 256 << 10;

/// More addresses of one name are not tried: the limit of [`ResolvedSocketAddrs`].
const MOST_ADDRESSES: usize = 16;

/// A name without any address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("name has no address")]
pub(super) struct NoName;

/// The operating system starts no more threads.
#[derive(Debug, thiserror::Error)]
#[error("cannot look up the name: {0}")]
pub(super) struct NoThread(#[from] io::Error);

/// How a name is looked up.
type LookUp = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The names of a round. Clones share them.
#[derive(Clone)]
pub(super) struct Names {
    look_up: LookUp,
    lookups: Arc<Mutex<HashMap<String, Arc<Lookup>>>>,
}

/// A lookup that is under way or done.
#[derive(Default)]
struct Lookup {
    addresses: Mutex<Option<Vec<IpAddr>>>,
    done: Condvar,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

impl Names {
    fn new(look_up: LookUp) -> Self {
        Self {
            look_up,
            lookups: Arc::default(),
        }
    }

    /// The addresses of a name; none if it is not known. `None`: not in time.
    fn addresses(&self, name: &str, limit: Duration) -> Result<Option<Vec<IpAddr>>, NoThread> {
        let lookup = self.lookup(name)?;
        let deadline = Instant::now().checked_add(limit);
        let mut addresses = lookup.addresses.lock();
        while addresses.is_none() {
            match deadline {
                Some(deadline) if lookup.done.wait_until(&mut addresses, deadline).timed_out() => break,
                Some(_) => {}
                None => lookup.done.wait(&mut addresses),
            }
        }
        Ok(addresses.clone())
    }

    /// The lookup of a name, which begins now if there is none.
    fn lookup(&self, name: &str) -> Result<Arc<Lookup>, NoThread> {
        let mut lookups = self.lookups.lock();
        if let Some(known) = lookups.get(name) {
            return Ok(Arc::clone(known));
        }
        let lookup = Arc::<Lookup>::default();
        let (look_up, asked, ours) = (self.look_up, name.to_owned(), Arc::clone(&lookup));
        let work = move || {
            // A name that is not known has no addresses. What else can go wrong looks the same to a client.
            *ours.addresses.lock() = Some(look_up(&asked).unwrap_or_default());
            ours.done.notify_all();
        };
        thread::Builder::new()
            .name("lookup".to_owned())
            .stack_size(STACK)
            .spawn(work)?;
        lookups.insert(name.to_owned(), Arc::clone(&lookup));
        Ok(lookup)
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let standard = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(standard);
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let addresses = match bare.parse() {
            Ok(address) => vec![address],
            Err(_) => match self.addresses(host, *timeout.after) {
                Ok(Some(addresses)) => addresses,
                Ok(None) => return Err(Error::Timeout(Timeout::Resolve)),
                Err(error) => return Err(Error::Other(Box::new(error))),
            },
        };
        if addresses.is_empty() {
            return Err(Error::Other(Box::new(NoName)));
        }
        let all = addresses.into_iter().map(|address| SocketAddr::new(address, port));
        let mut found = self.empty();
        for address in config.ip_family().keep_wanted(all).take(MOST_ADDRESSES) {
            found.push(address);
        }
        match found.is_empty() {
            true => Err(Error::HostNotFound),
            false => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ureq::config::IpFamily;

    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

    fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
        LOOKUPS.fetch_add(1, Ordering::SeqCst);
        match name {
            "both.example" => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
            "six.example" => Ok(vec![Ipv6Addr::LOCALHOST.into()]),
            "silent.example" => loop {
                thread::park();
            },
            _ => Err(io::Error::other("no such name")),
        }
    }

    /// What a resolver says of a URL, in a family.
    fn resolve(names: &Names, url: &str, family: IpFamily) -> String {
        let config = Config::builder().ip_family(family).build();
        let timeout = NextTimeout {
            after: Duration::from_millis(100).into(),
            ..NextTimeout::default()
        };
        let uri = url.parse().unwrap();
        match names.resolve(&uri, &config, timeout) {
            Ok(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(Error::HostNotFound) => "no such address".to_owned(),
            Err(Error::Other(error)) if error.is::<NoName>() => "no name".to_owned(),
            Err(Error::Timeout(_)) => "timeout".to_owned(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_name_is_looked_up_once_whatever_comes_of_it() {
        use IpFamily::{Ipv4Only, Ipv6Only};
        let names = Names::new(look_up);
        for _ in 0..3 {
            for (url, ipv4, ipv6) in [
                ("http://both.example/x", "127.0.0.1:80", "[::1]:80"),
                ("https://six.example", "no such address", "[::1]:443"),
                ("http://nowhere.example:8080", "no name", "no name"),
                ("http://silent.example", "timeout", "timeout"),
                ("http://192.0.2.1:81", "192.0.2.1:81", "no such address"),
                ("http://[2001:db8::1]:81", "no such address", "[2001:db8::1]:81"),
            ] {
                assert_eq!(resolve(&names, url, Ipv4Only), ipv4, "{url}");
                assert_eq!(resolve(&names, url, Ipv6Only), ipv6, "{url}");
            }
        }
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 4);
    }
}
