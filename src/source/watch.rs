//! Hints that a desired directory may have changed. A hint is never proof, and its absence neither: whoever
//! listens looks again from time to time anyway.
//!
//! Only directories are watched, because a file that is replaced by a rename takes its watch with it, and each
//! one by itself: every directory of the tree, and every directory above it and on the way of a symlink for the
//! one name that matters. So the swap of a link, of the directory itself or of one above it is a hint as well.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::directory::index_lock;
use super::tree::walk_directories;

/// How often watching is begun anew because something moved meanwhile.
const ATTEMPTS: u32 = 5;
const MAX_LINKS: usize = 40;
/// `EMFILE`: with inotify, too many instances.
const TOO_MANY_INSTANCES: i32 = 24;

/// Watches a directory for as long as it lives.
pub struct Watch {
    dir: PathBuf,
    on_hint: Hint,
    places: Places,
    /// Something happened by which a watch may be lost; the watcher sets it, [`Watch::renew`] obeys.
    stale: Arc<AtomicBool>,
    watcher: RecommendedWatcher,
}

/// Why a directory cannot be watched. Looking again from time to time still finds every change.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system allows no more watches to this user.
    #[error(
        "watching `{}` failed: the limit of watches is reached; raise it: sysctl fs.inotify.max_user_watches=524288",
        .dir.display()
    )]
    Watches {
        /// The directory that is one too many.
        dir: PathBuf,
    },
    /// The system allows no more watchers to this user.
    #[error(
        "watching failed: the limit of watchers is reached; raise it: sysctl fs.inotify.max_user_instances=512"
    )]
    Watchers,
    /// The system refused something else.
    #[error("watching `{}` failed: {source}", .dir.display())]
    Refused {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: notify::Error,
    },
}

/// Watches a directory, which need not exist yet, and calls `on_hint`, in a thread of its own, whenever it may
/// have changed: any write, any error of the watcher, any event that was lost. Reading is no reason for a hint.
///
/// # Errors
/// [`WatchError`] when the system allows no (more) watches.
pub fn watch(dir: &Path, on_hint: impl Fn() + Send + 'static) -> Result<Watch, WatchError> {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let on_hint: Hint = Arc::new(Mutex::new(Box::new(on_hint)));
    let (watcher, places, stale) = begin(&dir, &on_hint)?;
    Ok(Watch { dir, on_hint, places, stale, watcher })
}

impl Watch {
    /// Watches what is there now; to be called before each read, so that whatever changes after the read is a
    /// hint again. Returns whether anything had to be done; if not, this costs one look at the tree.
    ///
    /// # Errors
    /// As [`watch`]; then the old watches stay.
    pub fn renew(&mut self) -> Result<bool, WatchError> {
        if !self.stale.load(Ordering::SeqCst) && survey(&self.dir).is_some_and(|places| places == self.places)
        {
            return Ok(false);
        }
        // The new watcher begins before the old one ends, so nothing falls between. All is begun anew, because
        // a watcher may drop a new watch on account of an event that is older than it.
        let (watcher, places, stale) = begin(&self.dir, &self.on_hint)?;
        (self.places, self.stale) = (places, stale);
        drop(std::mem::replace(&mut self.watcher, watcher));
        Ok(true)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("dir", &self.dir).field("places", &self.places).finish_non_exhaustive()
    }
}

type Hint = Arc<Mutex<Box<dyn Fn() + Send>>>;
type Places = BTreeMap<PathBuf, Place>;

/// A directory that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Device, inode, permissions and owner: another directory, or one that could not be watched before.
    identity: (u64, u64, u32, u32),
    matters: Matters,
}

/// What in a directory is worth a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Matters {
    Everything,
    Names(BTreeSet<OsString>),
}

fn begin(dir: &Path, on_hint: &Hint) -> Result<(RecommendedWatcher, Places, Arc<AtomicBool>), WatchError> {
    let mut attempt = 1;
    loop {
        let surveyed = survey(dir);
        let last = attempt == ATTEMPTS;
        attempt += 1;
        if surveyed.is_none() && !last {
            continue;
        }
        let places = surveyed.unwrap_or_default();
        let stale = Arc::new(AtomicBool::new(false));
        let mut watcher = watcher(places.clone(), Arc::clone(&stale), Arc::clone(on_hint))
            .map_err(|source| refused(dir, source))?;
        // The deepest first: what happens to a directory is seen by its parent only once it is watched itself.
        for place in places.keys().rev() {
            match watcher.watch(place, RecursiveMode::NonRecursive) {
                Err(error) if is_gone(&error) => stale.store(true, Ordering::SeqCst),
                // Some directory above may be closed to us. One in the tree is a finding of the read.
                Err(error) if is_denied(&error) => {
                    tracing::debug!(place = %place.display(), "This directory cannot be watched.");
                }
                Err(source) => return Err(refused(place, source)),
                Ok(()) => {}
            }
        }
        let still = !stale.load(Ordering::SeqCst) && survey(dir).as_ref() == Some(&places);
        if still || last {
            stale.fetch_or(!still, Ordering::SeqCst);
            return Ok((watcher, places, stale));
        }
    }
}

fn watcher(places: Places, stale: Arc<AtomicBool>, on_hint: Hint) -> notify::Result<RecommendedWatcher> {
    // Links are followed here and not by the watcher, or one that leads to `/` would have it watch everything.
    let config = notify::Config::default().with_follow_symlinks(false);
    let handle = move |event: notify::Result<Event>| {
        let (hint, lost) = judge(&event, &places);
        // In this order: whoever acts on the hint must know.
        stale.fetch_or(lost, Ordering::SeqCst);
        if hint {
            on_hint.lock().unwrap_or_else(PoisonError::into_inner)();
        }
    };
    RecommendedWatcher::new(handle, config)
}

/// Tells whether an event is a hint, and whether a watch may be lost.
fn judge(event: &notify::Result<Event>, places: &Places) -> (bool, bool) {
    let Ok(event) = event else { return (true, true) };
    if event.need_rescan() {
        return (true, true);
    }
    // Our own reading opens files; only the end of writing is news.
    if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) {
        return (false, false);
    }
    let replaces = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    let watched = event.paths.iter().any(|path| places.contains_key(path));
    let matters = |path: &PathBuf| match path.parent().and_then(|parent| places.get(parent)) {
        Some(Place { matters: Matters::Everything, .. }) => true,
        Some(Place { matters: Matters::Names(names), .. }) => {
            path.file_name().is_some_and(|name| names.contains(name))
        }
        None => false,
    };
    let hint = watched || event.paths.is_empty() || event.paths.iter().any(matters);
    (hint, watched && replaces)
}

/// Finds every directory that is worth watching; `None` when they move while this looks.
fn survey(dir: &Path) -> Option<Places> {
    let mut names = Vec::new();
    let real = way(dir, &mut names);
    let mut everything = Vec::new();
    if let Some(real) = real.as_ref().filter(|real| real.is_dir()) {
        match walk_directories(real) {
            Ok(tree) => {
                everything.extend(tree.signature.dirs.into_iter().map(|dir| dir.real));
                for link in tree.links {
                    way(&link, &mut names);
                }
            }
            Err(super::ReadProblem::Moving { .. }) => return None,
            // Closed to us, or gone by now.
            Err(super::ReadProblem::Invalid(_)) => {}
        }
        if let Some(lock) = index_lock(real) {
            names.extend(
                lock.parent()
                    .and_then(|git| git.canonicalize().ok())
                    .zip(lock.file_name().map(OsStr::to_owned)),
            );
        }
    }
    let mut places = Places::new();
    for dir in everything {
        let identity = identity(&dir)?;
        places.insert(dir, Place { identity, matters: Matters::Everything });
    }
    for (dir, name) in names {
        if !places.contains_key(&dir) {
            let place = Place { identity: identity(&dir)?, matters: Matters::Names(BTreeSet::new()) };
            places.insert(dir.clone(), place);
        }
        if let Some(Place { matters: Matters::Names(names), .. }) = places.get_mut(&dir) {
            names.insert(name);
        }
    }
    Some(places)
}

fn identity(dir: &Path) -> Option<(u64, u64, u32, u32)> {
    let metadata = fs::symlink_metadata(dir).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.mode(), metadata.uid()))
}

/// Goes the way of an absolute path, name by name and link by link, and notes each directory on it with the
/// name that is looked up there. Returns where the path really leads, if it leads anywhere.
fn way(path: &Path, names: &mut Vec<(PathBuf, OsString)>) -> Option<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = path.components().map(|part| part.as_os_str().to_owned()).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => real = PathBuf::from("/"),
            Some(Component::ParentDir) => drop(real.pop()),
            Some(Component::Normal(name)) => {
                if !real.is_dir() {
                    return None;
                }
                names.push((real.clone(), name.to_owned()));
                let next = real.join(name);
                match fs::read_link(&next) {
                    Ok(_) if links == MAX_LINKS => return None,
                    Ok(target) => {
                        links += 1;
                        for part in target.components().rev() {
                            rest.push_front(part.as_os_str().to_owned());
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => real = next,
                    Err(_) => return None,
                }
            }
            _ => {}
        }
    }
    Some(real)
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }
        _ => false,
    }
}

fn is_denied(error: &notify::Error) -> bool {
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

fn refused(dir: &Path, source: notify::Error) -> WatchError {
    match &source.kind {
        ErrorKind::MaxFilesWatch => WatchError::Watches { dir: dir.to_owned() },
        ErrorKind::Io(error) if error.raw_os_error() == Some(TOO_MANY_INSTANCES) => WatchError::Watchers,
        _ => WatchError::Refused { dir: dir.to_owned(), source },
    }
}
