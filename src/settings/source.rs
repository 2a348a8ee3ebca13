//! The settings of where a target's desired state comes from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::codes;
use super::hidden::holds_userinfo;
use super::piece::{Fields, Piece, from};
use super::problems::{Problems, shown};
use super::schema;
use super::written::Value;
use crate::secret::Secret;

/// Where the desired state comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesiredSource {
    /// A directory that somebody else keeps.
    Directory(PathBuf),
    /// A git repository that popgate fetches.
    Git(Repository),
}

/// A git repository, and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its address: `https://`, `ssh://`, `git@host:path`, `file://` or a path. Never holds a password.
    pub url: String,
    /// Branch or tag.
    pub reference: String,
    /// Directory within the repository, relative and without `..`.
    pub path: PathBuf,
    /// How often it is fetched.
    pub interval: Duration,
    /// File of the signers of whom one must have signed a commit; `None` asks for no signature.
    pub allowed_signers: Option<PathBuf>,
    /// Who logs in by HTTPS, and where the password or token is to be found.
    pub login: Option<(String, Secret)>,
    /// The private key for SSH.
    pub ssh_key: Option<PathBuf>,
}

/// Reads `desired`.
pub(super) fn read(of: Piece<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<DesiredSource> {
    match &of.node.value {
        Value::Map(_) => git(Fields::open(of, schema::GIT, problems)?, base, problems),
        Value::Text(text) if looks_like_address(text) => {
            problems
                .error(codes::WRONG_TYPE, of.node.at, "`desired` is a directory here, not an address")
                .help("write `desired: {git: ADDRESS}` for a git repository");
            None
        }
        Value::Text(_) => Some(DesiredSource::Directory(from(base, of.text(problems)?))),
        _ => of.wrong("text, the path of a directory, or a map with `git`", problems),
    }
}

fn looks_like_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@")
}

fn git(fields: Fields<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<DesiredSource> {
    let url = fields.need(
        "git",
        "write the address of the repository: `git: https://git.example/mail.git`",
        problems,
    );
    let url = url.and_then(|field| address(field, base, problems));
    let reference = match fields.get("ref") {
        Some(field) => reference(field, problems),
        None => Some("main".to_owned()),
    };
    let path = match fields.get("path") {
        Some(field) => within(field, problems),
        None => Some(PathBuf::from("desired-state")),
    };
    let interval = fields.get("interval").and_then(|field| field.some_duration(problems));
    let allowed_signers = fields.get("verify").and_then(|field| {
        let verify = Fields::open(field, schema::VERIFY, problems)?;
        let file = verify.need("allowed_signers", "name the file of allowed signers", problems)?;
        file.text(problems).map(|path| from(base, path))
    });
    let login = login(fields, url.as_deref(), base, problems);
    let ssh_key = fields.get("ssh_key").and_then(|field| field.text(problems)).map(|path| from(base, path));
    Some(DesiredSource::Git(Repository {
        url: url?,
        reference: reference?,
        path: path?,
        interval: interval.unwrap_or(Duration::from_mins(1)),
        allowed_signers,
        login,
        ssh_key,
    }))
}

/// Reads `username` and `password`.
fn login(
    fields: Fields<'_>,
    url: Option<&str>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<(String, Secret)> {
    let name = fields.get("username").map(|field| (field, field.text(problems)));
    let Some(field) = fields.get("password") else {
        if let Some((field, Some(_))) = name {
            return bad(
                field,
                "`username` without `password`",
                "write `password: {env: NAME}`, too",
                problems,
            );
        }
        return None;
    };
    let secret = field.secret(base, problems)?;
    if let Some(url) = url.filter(|url| !is_private(url)) {
        let message = format!("a password cannot be sent to `{}`", shown(url));
        return bad(field, &message, "use an `https://` address, or `ssh_key` for SSH", problems);
    }
    Some((name.map_or(Some("git"), |(_, name)| name)?.to_owned(), secret))
}

/// Tells whether a password sent there is read by nobody on the way.
fn is_private(url: &str) -> bool {
    let local = |rest: &str| {
        let host = rest.split(['/', ':']).next();
        rest.starts_with("[::1]") || matches!(host, Some("127.0.0.1" | "localhost"))
    };
    url.starts_with("https://") || url.strip_prefix("http://").is_some_and(local)
}

fn bad<T>(field: Piece<'_>, message: &str, help: &str, problems: &mut Problems<'_>) -> Option<T> {
    problems.error(codes::BAD_GIT, field.node.at, message).help(help);
    None
}

fn address(field: Piece<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.text(problems)?;
    if holds_userinfo(text) {
        let help = "write `password: {env: NAME}` beside `git`, or use an SSH key";
        return bad(field, "an address must not hold a password or token", help, problems);
    }
    // gitremote-helpers(7): `ext::sh -c …` is an address that runs a command. A hyphen in front is an option.
    let known = |scheme: &str| ["https", "http", "ssh", "file"].contains(&scheme);
    if text.starts_with('-')
        || text.contains(char::is_whitespace)
        || (text.contains("::") && !text.contains("://"))
    {
        return bad(
            field,
            "this is not the address of a repository",
            "write `https://…`, `ssh://…`, `git@host:path` or a path",
            problems,
        );
    }
    match text.split_once("://") {
        Some((scheme, rest)) if known(scheme) && !rest.is_empty() => Some(text.to_owned()),
        Some((scheme, _)) => {
            let message = format!("`{}` is not a way to fetch a repository", shown(scheme));
            bad(field, &message, "write `https://…`, `ssh://…`, `git@host:path` or a path", problems)
        }
        // As git(1) reads it: a colon before any slash means a host.
        None if text.split('/').next().is_some_and(|first| first.contains(':')) => Some(text.to_owned()),
        None => Some(from(base, text).to_string_lossy().into_owned()),
    }
}

/// The rules of git-check-ref-format(1) that matter here.
fn reference(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = field.text(problems)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    let bad_part =
        |part: &str| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some();
    if text.starts_with('-')
        || text.ends_with('.')
        || text.contains("..")
        || text.contains("@{")
        || text == "@"
        || text.chars().any(odd)
        || text.split('/').any(bad_part)
    {
        let message = format!("`{}` cannot be a branch or tag", shown(text));
        return bad(field, &message, "write for example `ref: main`", problems);
    }
    Some(text.to_owned())
}

fn within(field: Piece<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let text = field.text(problems)?;
    let path = Path::new(text);
    let inside = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir);
    if path.components().all(inside) {
        Some(path.components().filter(|part| *part != std::path::Component::CurDir).collect())
    } else {
        let help = "write a path relative to the top of the repository, without `..`";
        bad(field, "the path leaves the repository", help, problems)
    }
}
