//! The desired directory: whole, broken, or just being written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
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

pub(crate) struct Files {
    pub(crate) model: Model,
    files: Vec<SourceFile>,
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
            read: Ok(Desired::default()),
            moving_until: Duration::ZERO,
            whole: BTreeMap::new(),
        };
        files.write(model, false, random);
        files
    }

    /// Writes all files anew. A broken tree has one file with a wrong word and never is a whole state.
    pub(crate) fn write(&mut self, model: Model, broken: bool, random: &mut Random) {
        let count = 1 + random.below(3);
        let mut texts = vec![String::new(); count];
        for (name, (access, until)) in &model {
            let text = &mut texts[random.below(count)];
            match until {
                None => writeln!(text, "  {name}: {access}"),
                Some(until) => writeln!(text, "  {name}: {{access: {access}, until: {until}}}"),
            }
            .expect("a string takes any text");
        }
        if broken {
            texts[0].push_str("  nobody@x: on\n");
        }
        self.files = texts
            .into_iter()
            .enumerate()
            .map(|(number, text)| {
                let text = if text.is_empty() { "pop3: {}\n".to_owned() } else { format!("pop3:\n{text}") };
                SourceFile { path: format!("{number}.yaml"), bytes: text.into_bytes() }
            })
            .collect();
        self.read = desired::read(self.files.clone());
        // What the settings forbid to list is an error that can be seen offline, too.
        let forbidden = model.keys().any(|name| name.starts_with("boss") || name.starts_with("health"));
        if !broken && !forbidden {
            self.whole.insert(desired::digest(&self.files), Rc::new(model.clone()));
        }
        self.model = model;
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
