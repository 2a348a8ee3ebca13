//! Addresses of repositories, as far as they are shown or compared.

use super::run::without_userinfo;

/// The address as it may be shown: without anything that could be a password.
pub(super) fn shown(url: &str) -> String {
    without_userinfo(url)
}

/// Makes a relative path absolute; an address of another machine stays as it is.
pub(super) fn absolute(url: String) -> String {
    // As git(1) reads it: a colon before any slash means a host.
    let elsewhere = url.contains("://") || url.split('/').next().is_some_and(|first| first.contains(':'));
    match std::path::absolute(&url) {
        Ok(path) if !elsewhere => path.to_string_lossy().into_owned(),
        _ => url,
    }
}

/// Scheme and host with its port, for which alone a password is meant.
pub(super) fn origin(url: &str) -> &str {
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    &url[..scheme.len() + 3 + host]
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_password_is_for_scheme_host_and_port() {
        for (url, origin) in [
            ("https://git.example/a/b.git", "https://git.example"),
            ("https://git.example:8443", "https://git.example:8443"),
            ("http://127.0.0.1:80/x?y", "http://127.0.0.1:80"),
        ] {
            assert_eq!(super::origin(url), origin);
        }
    }
}
