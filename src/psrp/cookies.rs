//! The cookies by which a load balancer knows which server holds a session (`MS-WSMAN` and its like).

use reqwest::header::HeaderValue;

/// More than a balancer sets, and few enough for a header.
const MOST: usize = 20;
const LONGEST: usize = 4096;

/// The cookies of one session with one URL, so that path and domain need no look.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// Takes a `Set-Cookie`.
    pub(super) fn keep(&mut self, header: &[u8]) {
        let Ok(text) = std::str::from_utf8(header) else { return };
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let (name, value) = (name.trim(), value.trim());
        self.0.retain(|(have, _)| have != name);
        let gone = parts.any(|part| {
            let part = part.trim().to_ascii_lowercase();
            part == "max-age=0" || part.starts_with("max-age=-")
        });
        if !gone && !name.is_empty() && text.len() <= LONGEST && self.0.len() < MOST {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Returns the header to send.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut header = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_let_go() {
        let mut cookies = Cookies::default();
        assert_eq!(cookies.header(), None);
        cookies.keep(b"MS-WSMAN=a=b; Path=/; HttpOnly");
        cookies.keep(b"other=1");
        cookies.keep(b"MS-WSMAN=c");
        assert_eq!(cookies.header().unwrap(), "other=1; MS-WSMAN=c");
        cookies.keep(b"other=; Max-Age=0");
        for bad in [&b"nonsense"[..], b"=x", b"\xff=1", &[b'a'; 9000]] {
            cookies.keep(bad);
        }
        assert_eq!(cookies.header().unwrap(), "MS-WSMAN=c");
    }
}
