//! The desired directory: whole, broken, or just being written.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jiff::civil::Date;
use popgate::desired::{self, Desired, SourceFile};
use popgate::engine::event::{DesiredRead, ReadFailure};
use popgate::model::{Access, Digest};

use crate::random::Random;

/// What a file says of one user, as its author meant it.
pub(crate) type Wish = (Access, Option<Date>);

/// Every user of a whole desired state, by the name as written. Never made by the parser under test.
pub(crate) type Model = BTreeMap<String, Wish>;

/// One file line by line: who stands there, and the text.
type Lines = Vec<(String, Wish, String)>;

pub(crate) struct Files {
    pub(crate) model: Model,
    files: Vec<SourceFile>,
    /// What the copy that is under way will have brought when it is over.
    rest: Option<Vec<SourceFile>>,
    /// What was there before.
    earlier: Model,
    /// `None` while a file has an error.
    read: Result<Desired, Vec<popgate::diagnostic::Diagnostic>>,
    pub(crate) moving_until: Duration,
    /// Every state that ever was there as a whole and without an error.
    pub(crate) whole: BTreeMap<Digest, Rc<Model>>,
}

impl Files {
    pub(crate) fn new(model: Model, random: &mut Random) -> Self {
        let mut files = Self {
            model: Model::new(),
            files: Vec::new(),
            rest: None,
            earlier: Model::new(),
            read: Ok(Desired::default()),
            moving_until: Duration::ZERO,
            whole: BTreeMap::new(),
        };
        files.write(model, false, random);
        files
    }

    /// Writes all files anew. A broken tree has one file with a wrong word and never is a whole state.
    pub(crate) fn write(&mut self, model: Model, broken: bool, random: &mut Random) {
        let mut parts = spread(&model, random);
        if broken {
            parts[0].push((String::new(), (Access::Enabled, None), "  nobody@x: on\n".to_owned()));
        }
        self.earlier = std::mem::replace(&mut self.model, model.clone());
        self.rest = None;
        self.show(parts.iter().enumerate().map(|(number, lines)| file(number, &text(lines))).collect());
        if !broken {
            self.note_whole(model);
        }
    }

    /// The tree that was there before comes back in one moment, as when a symlink is swapped.
    pub(crate) fn swap(&mut self, random: &mut Random) {
        self.write(self.earlier.clone(), false, random);
    }

    /// A new tree of which only the first files, and the beginning of the last of them, have arrived. What is there
    /// may happen to be in order; whether it is, follows from the place of the cut, not from the parser under test.
    pub(crate) fn copy_half(&mut self, model: Model, random: &mut Random) -> Result<(), String> {
        let parts = spread(&model, random);
        let there = 1 + random.below(parts.len());
        let whole: Vec<_> =
            parts.iter().enumerate().map(|(number, lines)| file(number, &text(lines))).collect();
        let last = text(&parts[there - 1]);
        let cut = if random.chance(300) { last.len() } else { random.below(last.len() + 1) };
        let mut files = whole[..there].to_vec();
        files[there - 1] = file(there - 1, &last[..cut]);
        let arrived: Model = parts[..there - 1]
            .iter()
            .flatten()
            .chain(complete(&parts[there - 1], cut))
            .map(|(name, wish, _)| (name.clone(), *wish))
            .collect();
        let in_order = is_in_order(&parts[there - 1], cut);
        self.earlier = std::mem::replace(&mut self.model, model.clone());
        self.show(whole.clone());
        self.note_whole(model);
        self.show(files);
        if self.read.is_ok() != in_order {
            return Err(format!(
                "{:?} cut at {cut} is in order: {in_order}, and read as {:?}",
                last, self.read
            ));
        }
        if in_order {
            self.note_whole(arrived);
        }
        self.rest = Some(whole);
        Ok(())
    }

    /// The copy that is under way arrives, if there is one.
    pub(crate) fn arrive(&mut self) -> bool {
        let Some(rest) = self.rest.take() else { return false };
        self.show(rest);
        true
    }

    fn show(&mut self, files: Vec<SourceFile>) {
        self.read = desired::read(files.clone());
        self.files = files;
    }

    /// What the settings forbid to list is an error that can be seen offline, too.
    fn note_whole(&mut self, model: Model) {
        let forbidden = model.keys().any(|name| name.starts_with("boss") || name.starts_with("health"));
        if !forbidden {
            self.whole.insert(desired::digest(&self.files), Rc::new(model));
        }
    }

    /// Only the files without an error, as a careless reader would take them.
    pub(crate) fn half(&self) -> Option<Desired> {
        desired::read(self.files.iter().skip(1).cloned().collect()).ok()
    }

    pub(crate) fn digest(&self) -> Digest {
        desired::digest(&self.files)
    }

    pub(crate) fn read(&self, now: Duration) -> Result<DesiredRead, ReadFailure> {
        if now < self.moving_until {
            return Err(ReadFailure::Moving("1.yaml".to_owned()));
        }
        match &self.read {
            Ok(desired) => Ok(DesiredRead { desired: desired.clone(), commit: None, author: None }),
            Err(problems) => Err(ReadFailure::Invalid(problems.clone())),
        }
    }
}

/// Puts the users of a state into one to three files.
fn spread(model: &Model, random: &mut Random) -> Vec<Lines> {
    let count = 1 + random.below(3);
    let mut parts = vec![Lines::new(); count];
    for (name, (access, until)) in model {
        let line = match until {
            None => format!("  {name}: {access}\n"),
            Some(until) => format!("  {name}: {{access: {access}, until: {until}}}\n"),
        };
        parts[random.below(count)].push((name.clone(), (*access, *until), line));
    }
    parts
}

const HEAD: &str = "pop3:\n";
const NOBODY: &str = "pop3: {}\n";

fn text(lines: &Lines) -> String {
    if lines.is_empty() {
        return NOBODY.to_owned();
    }
    std::iter::once(HEAD).chain(lines.iter().map(|(_, _, line)| line.as_str())).collect()
}

fn file(number: usize, text: &str) -> SourceFile {
    SourceFile { path: format!("{number}.yaml"), bytes: text.as_bytes().to_vec() }
}

/// The users whose lines lie before the cut; a line break is no part of what a line says.
fn complete(lines: &Lines, cut: usize) -> impl Iterator<Item = &(String, Wish, String)> {
    let mut end = HEAD.len();
    lines.iter().take_while(move |(_, _, line)| {
        end += line.len();
        end - 1 <= cut
    })
}

/// Whether a file that is cut there has no error.
fn is_in_order(lines: &Lines, cut: usize) -> bool {
    if lines.is_empty() {
        return cut + 1 >= NOBODY.len();
    }
    let whole = complete(lines, cut);
    let (count, end) =
        whole.fold((0, HEAD.len()), |(count, end), (_, _, line)| (count + 1, end + line.len()));
    // After the last whole line come at most the two spaces before the next name.
    count > 0 && cut <= end + 2
}
