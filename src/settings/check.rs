//! What holds between the sections of the settings.

use std::path::{Component, Path, PathBuf};

use super::problems::Problems;
use super::{DesiredSource, Target, codes};
use crate::plan::policy::Unlisted;
use crate::yaml::tree::Place;

/// A target with the places that belong to it.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Its desired state.
    pub(super) desired: Place,
    /// Its store.
    pub(super) store: Place,
    /// Its snapshot.
    pub(super) snapshot: Option<Place>,
    /// The target.
    pub(super) target: Target,
}

impl Placed {
    fn directory(&self) -> Option<&Path> {
        match &self.target.desired {
            DesiredSource::Directory(directory) => Some(directory),
            DesiredSource::Git(_) => None,
        }
    }
}

/// The state directory and a desired directory may not lie in each other.
pub(super) fn directories(
    targets: &[Placed],
    state: &Path,
    state_at: Option<Place>,
    real: &dyn Fn(&Path) -> PathBuf,
    problems: &mut Problems<'_>,
) {
    let state = real(state);
    for target in targets {
        let within = target.directory().and_then(|desired| within_each_other(&state, &real(desired)));
        let Some(message) = within else { continue };
        let label = state_at.map(|at| problems.label(at, "the state directory"));
        let report = problems
            .error(codes::STATE_AND_DESIRED, target.desired, message)
            .label("the desired directory")
            .help("write `state:` with a directory outside, such as `/var/lib/popgate`");
        if let Some(label) = label {
            report.also(label);
        }
    }
}

/// Says how the state directory and a desired directory, both comparable, lie in each other.
pub(super) fn within_each_other(state: &Path, desired: &Path) -> Option<&'static str> {
    if state == desired {
        Some("the state directory is the desired directory")
    } else if lies_in(state, desired) {
        Some("the state directory lies in the desired directory")
    } else if lies_in(desired, state) {
        Some("the desired directory lies in the state directory")
    } else {
        None
    }
}

/// Whoever edits the desired state should not edit the guards with it.
pub(super) fn settings_file(
    targets: &[Placed],
    path: &Path,
    real: &dyn Fn(&Path) -> PathBuf,
    problems: &mut Problems<'_>,
) {
    let file = real(path);
    for target in targets {
        if target.directory().is_some_and(|desired| lies_in(&file, &real(desired))) {
            problems
                .warning(codes::SETTINGS_IN_DESIRED, Some(target.desired), "this settings file lies in the desired directory")
                .label("the desired directory")
                .help("keep the settings outside, so that an edit of the desired state cannot change its guards");
        }
    }
}

/// Two targets may share a store only if neither writes what the other lists.
pub(super) fn shared_stores(
    targets: &[Placed],
    real: &dyn Fn(&Path) -> PathBuf,
    problems: &mut Problems<'_>,
) {
    for (count, target) in targets.iter().enumerate() {
        let keeps = |target: &Placed| target.target.policy.unlisted == Unlisted::Keep;
        let other = targets[..count].iter().find(|other| {
            target.target.store.overlaps(&other.target.store, real) && !(keeps(target) && keeps(other))
        });
        if let Some(other) = other {
            let label = problems.label(other.store, "the same store");
            let [this, that] = [target, other].map(|placed| &placed.target.policy.target);
            problems
                .error(
                    codes::SHARED_STORE,
                    target.store,
                    format!("the targets `{that}` and `{this}` have the same store"),
                )
                .also(label)
                .help("write `unlisted: keep` in both, or make one target of them");
        }
    }
}

/// Each target's snapshot has a file of its own, and none wakes the watch of a desired directory.
pub(super) fn snapshots(targets: &[Placed], real: &dyn Fn(&Path) -> PathBuf, problems: &mut Problems<'_>) {
    let mut seen: Vec<(PathBuf, Place)> = Vec::new();
    for target in targets {
        let (Some(file), Some(at)) = (&target.target.snapshot, target.snapshot) else { continue };
        let path = real(&file.path);
        if let Some(desired) =
            targets.iter().find(|other| other.directory().is_some_and(|dir| lies_in(&path, &real(dir))))
        {
            let label = problems.label(desired.desired, "the desired directory");
            problems
                .error(codes::BAD_SNAPSHOT, at, "the snapshot lies in a desired directory")
                .also(label)
                .help("write it elsewhere: each new one would look like a change of the desired state");
        }
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == path) {
            let label = problems.label(*first, "the same file");
            problems
                .error(codes::BAD_SNAPSHOT, at, "two targets write their snapshot to the same file")
                .also(label)
                .help("a snapshot holds one target: give each a file of its own");
        }
        seen.push((path, at));
    }
}

/// Makes paths comparable by their text alone: without `.`, and `..` removes what stands before it.
pub(super) fn lexical(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.into_iter().collect()
}

/// Tells whether one comparable path lies strictly within another. A relative and an absolute one cannot be compared.
fn lies_in(inner: &Path, outer: &Path) -> bool {
    let leaves = inner.components().next() == Some(Component::ParentDir);
    let comparable = inner.is_absolute() == outer.is_absolute() && !(leaves && outer.as_os_str().is_empty());
    comparable && inner != outer && inner.starts_with(outer)
}
