//! Putting a live state together, row by row, without keeping anything of a row but its text.

use std::str::Utf8Error;
use std::sync::OnceLock;

use super::{DuplicateAccount, Live, byte_of};
use crate::model::{AccountId, State};
use crate::name::{Hashed, Index, TOGETHER, same};

/// Room for the first names, in bytes. From this size on, memory grows where it is instead of being copied.
const ROOM_FOR_TEXT: usize = 256 << 10;

/// Takes accounts one after the other, as a store lists them.
#[derive(Debug)]
pub struct LiveBuilder {
    /// Only texts, one after the other.
    text: Vec<u8>,
    ends: Vec<u32>,
    firsts: Vec<u32>,
    states: Vec<u8>,
    unreadable: Vec<(u32, State)>,
    in_order: bool,
}

impl Default for LiveBuilder {
    fn default() -> Self {
        Self {
            text: Vec::with_capacity(ROOM_FOR_TEXT),
            ends: Vec::new(),
            firsts: Vec::new(),
            states: Vec::new(),
            unreadable: Vec::new(),
            in_order: true,
        }
    }
}

impl LiveBuilder {
    /// Makes room for so many accounts, so that growing does not cost twice the memory for a moment.
    #[must_use]
    pub fn with_room_for(accounts: usize) -> Self {
        Self { ends: Vec::with_capacity(accounts), states: Vec::with_capacity(accounts), ..Self::default() }
    }

    /// Takes one account: its canonical id, the name that a person recognises, its other names, its state.
    ///
    /// # Panics
    /// When there are more, or more bytes of names, than a `u32` can count.
    pub fn push<'n>(
        &mut self,
        id: &str,
        name: &str,
        aliases: impl IntoIterator<Item = &'n str>,
        state: State,
    ) {
        let first = self.begin(id.as_bytes());
        let mut aliases = aliases.into_iter().peekable();
        if name != id || aliases.peek().is_some() {
            self.name(name.as_bytes());
        }
        aliases.for_each(|alias| self.name(alias.as_bytes()));
        self.end(first, state);
    }

    /// Takes one account that has no name but its id, of which the bytes are at hand.
    ///
    /// # Errors
    /// If these are not a text. Nothing is taken then.
    ///
    /// # Panics
    /// Like [`LiveBuilder::push`].
    pub fn push_bytes(&mut self, id: &[u8], state: State) -> Result<(), Utf8Error> {
        if !id.is_ascii() {
            std::str::from_utf8(id)?;
        }
        let first = self.begin(id);
        self.end(first, state);
        Ok(())
    }

    /// Takes the id of an account, and returns the number of its first name.
    fn begin(&mut self, id: &[u8]) -> u32 {
        self.in_order = self.in_order && self.last_id().is_none_or(|last| last < id);
        let first = number(self.ends.len());
        self.name(id);
        first
    }

    fn name(&mut self, name: &[u8]) {
        self.text.extend_from_slice(name);
        self.ends.push(number(self.text.len()));
    }

    fn end(&mut self, first: u32, state: State) {
        let position = number(self.states.len());
        // As long as every account has one name, its number is the account's.
        if self.firsts.is_empty() && self.ends.len() > self.states.len() + 1 {
            self.firsts = (0..position).collect();
        }
        if self.ends.len() > self.states.len() + 1 || !self.firsts.is_empty() {
            self.firsts.push(first);
        }
        self.states.push(byte_of(&state));
        if matches!(state, State::Unreadable(_)) {
            self.unreadable.push((position, state));
        }
    }

    /// Returns the id that was pushed last.
    fn last_id(&self) -> Option<&[u8]> {
        let last = self.states.len().checked_sub(1)?;
        let first = self.firsts.get(last).map_or(last, |first| *first as usize);
        let end = |number: usize| self.ends[number] as usize;
        Some(&self.text[first.checked_sub(1).map_or(0, end)..end(first)])
    }

    /// Indexes the names.
    ///
    /// # Errors
    /// [`DuplicateAccount`] when two accounts have the same id.
    ///
    /// # Panics
    /// Never: only texts were taken.
    pub fn finish(self) -> Result<Live, DuplicateAccount> {
        let mut tally = [0; 5];
        for byte in &self.states {
            tally[usize::from(*byte)] += 1;
        }
        let mut live = Live {
            names: Index::for_names(self.ends.len()),
            text: String::from_utf8(self.text).expect("only texts were taken").into(),
            ends: self.ends.into(),
            firsts: self.firsts.into(),
            states: self.states,
            tally,
            unreadable: self.unreadable,
            order: OnceLock::new(),
            in_order: self.in_order,
            servers: None,
        };
        let mut names = std::mem::replace(&mut live.names, Index::for_names(0));
        let mut hashed = Vec::with_capacity(TOGETHER);
        for first in (0..live.count()).step_by(TOGETHER) {
            let block = first..live.count().min(first.saturating_add(number(TOGETHER)));
            hashed.extend(block.clone().map(|position| names.hash_bytes(live.bytes(live.range(position).0))));
            names.fetch(hashed.iter().copied());
            for (position, id) in block.zip(hashed.drain(..)) {
                live.index(&mut names, position, id)?;
            }
        }
        live.names = names;
        Ok(live)
    }
}

impl Live {
    fn index(&self, names: &mut Index, position: u32, hashed: Hashed) -> Result<(), DuplicateAccount> {
        let (first, last) = self.range(position);
        let id = self.bytes(first);
        // Ids compare byte by byte, names do not.
        if names.insert(hashed, position, |before| self.bytes(self.range(before).0) == id).is_some() {
            return Err(DuplicateAccount(AccountId::new(self.text(first))));
        }
        for at in first + 1..last {
            let name = self.text(at);
            if !(first..at).any(|before| same(self.text(before), name)) {
                names.insert(names.hash(name), position, |_| false);
            }
        }
        Ok(())
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("no store has four thousand million names, nor bytes of names")
}
