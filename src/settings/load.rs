//! Brings the settings file from the disk.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::check::{lexical, within_each_other};
use super::root::{LIMIT, read_with};
use super::{DesiredSource, Settings, Target, codes};
use crate::diagnostic::{Code, Diagnostic, Label, Severity};

/// The settings file when none is named.
const STANDARD: &str = "popgate.yaml";

/// Reads the settings: from the given file; without one, from `popgate.yaml` in the current directory if it is there,
/// and else the embedded default. `state` is the state directory of the command line, which wins over the file.
///
/// # Errors
/// Every problem of the file, in order of place, warnings among them.
pub fn load(path: Option<&Path>, state: Option<&Path>) -> Result<Settings, Vec<Diagnostic>> {
    load_or(Path::new(STANDARD), path, state)
}

pub(super) fn load_or(
    standard: &Path,
    path: Option<&Path>,
    state: Option<&Path>,
) -> Result<Settings, Vec<Diagnostic>> {
    // A link that leads nowhere is there: it must not silently mean the default.
    let absent = || matches!(standard.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound);
    let path = match path {
        Some(path) => path,
        None if absent() => return embedded(state),
        None => standard,
    };
    let shown = path.display().to_string();
    let bytes = content(path).map_err(|error| {
        let message = format!("the settings file cannot be read: {error}");
        vec![problem(codes::UNREADABLE, &shown, message, "name another file with `--config`")]
    })?;
    if bytes.len() > LIMIT {
        let message = format!("the settings file is longer than {} KiB", LIMIT / 1024);
        return Err(vec![problem(
            codes::TOO_LONG,
            &shown,
            message,
            "users belong into the desired directory",
        )]);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|&byte| byte == b'\n').count();
        let message = format!("the settings file is not UTF-8 text, beginning in line {line}");
        vec![problem(codes::NOT_TEXT, &shown, message, "save the file as UTF-8")]
    })?;
    let base = path.parent().unwrap_or(Path::new(""));
    let settings = read_with(&text, &shown, base, state, &real)?;
    Ok(Settings { path: Some(path.to_path_buf()), ..settings })
}

fn embedded(state: Option<&Path>) -> Result<Settings, Vec<Diagnostic>> {
    let Some(state) = state else { return Ok(Settings::default_embedded()) };
    let settings = Settings::embedded(state.to_path_buf());
    let directory = |target: &Target| match &target.desired {
        DesiredSource::Directory(desired) => within_each_other(&real(state), &real(desired)),
        DesiredSource::Git(_) => None,
    };
    match settings.targets.values().find_map(directory) {
        None => Ok(settings),
        Some(message) => {
            let shown = state.display().to_string();
            Err(vec![problem(
                codes::STATE_AND_DESIRED,
                &shown,
                message.to_owned(),
                "name another `--state` directory",
            )])
        }
    }
}

fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells a long file from one that just fits.
    std::fs::File::open(path)?.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn problem(code: Code, path: &str, message: String, help: &str) -> Diagnostic {
    let label = Label { path: path.to_owned(), at: None, message: String::new() };
    Diagnostic { code, severity: Severity::Error, message, labels: vec![label], help: Some(help.to_owned()) }
}

/// Makes paths comparable: absolute, and without links as far as they exist.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = absolute.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    match existing.and_then(|(part, real)| Some(real.join(absolute.strip_prefix(part).ok()?))) {
        Some(real) => lexical(&real),
        None => lexical(&absolute),
    }
}
